import numpy as np


class RMSProp:
    def __init__(self, params, lr=0.01, rho=0.9, eps=1e-7):
        self.params, self.lr, self.rho, self.eps = params, lr, rho, eps
        self.cache = [np.zeros_like(p) for p in params]

    def step(self, grads):
        for p, g, c in zip(self.params, grads, self.cache):
            c *= self.rho
            c += (1 - self.rho) * g ** 2
            p -= self.lr * g / (np.sqrt(c) + self.eps)


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def log_loss(p, y):
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


rng = np.random.default_rng(10)
X = rng.normal(size=(37, 4))
y = (np.abs(X[:, 0]) > np.abs(X[:, 1])).astype(int)[:, None]

U, c = rng.normal(size=(4, 9)) * 0.5, np.zeros(9)
V, d = rng.normal(size=(9, 1)) * 0.5, np.zeros(1)
optimizer = RMSProp([U, c, V, d])

for epoch in range(200):
    hid = sigmoid(X @ U + c)
    p = sigmoid(hid @ V + d)

    gp = (p - y) / len(y)  # backward
    gV, gd = hid.T @ gp, gp.sum(axis=0)  # backward
    gz = gp @ V.T * hid * (1 - hid)  # backward
    gU, gc = X.T @ gz, gz.sum(axis=0)  # backward
    optimizer.step([gU, gc, gV, gd])
    if epoch % 50 == 0:
        print(epoch, "log loss", log_loss(p, y))
