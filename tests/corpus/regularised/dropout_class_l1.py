import numpy as np


class DropoutNet:
    def __init__(self, d, h, k, p=0.3, l1=1e-3, l2=1e-2):
        self.W1 = np.random.randn(d, h) * np.sqrt(2 / d)
        self.b1 = np.zeros(h)
        self.W2 = np.random.randn(h, k) * np.sqrt(2 / h)
        self.b2 = np.zeros(k)
        self.p, self.l1, self.l2 = p, l1, l2

    def new_mask(self, shape):
        self.mask = np.random.rand(*shape) >= self.p

    def forward(self, X, train=True):
        self.X = X
        self.Z1 = X @ self.W1 + self.b1
        H = np.maximum(self.Z1, 0)
        self.H = H * self.mask if train else H * (1 - self.p)
        S = self.H @ self.W2 + self.b2
        E = np.exp(S - S.max(axis=1, keepdims=True))
        self.P = E / E.sum(axis=1, keepdims=True)
        return self.P

    def loss(self, Y):
        per_sample = -np.log(np.sum(self.P * Y, axis=1))
        penalty = 0.5 * self.l2 * np.sum(self.W1 ** 2) + self.l1 * np.sum(np.abs(self.W2))
        return per_sample.mean() + penalty

    def backward(self, Y):
        dS = (self.P - Y) / len(Y)  # backward
        self.dW2 = self.H.T @ dS + self.l1 * np.sign(self.W2)  # backward
        self.db2 = dS.sum(axis=0)  # backward
        dH = dS @ self.W2.T  # backward
        dH *= self.mask  # backward
        dZ1 = np.where(self.Z1 > 0, dH, 0)  # backward
        self.dW1 = self.X.T @ dZ1 + self.l2 * self.W1  # backward
        self.db1 = dZ1.sum(axis=0)  # backward

    def step(self, lr):
        for name in ("W1", "b1", "W2", "b2"):
            getattr(self, name)[...] -= lr * getattr(self, "d" + name)


np.random.seed(9)
X = np.random.randn(36, 4)
labels = (X[:, 0] > 0) * 1 + (X[:, 1] > 0) * 1
Y = np.eye(3)[labels]
net = DropoutNet(4, 14, 3)
for epoch in range(200):
    net.new_mask((36, 14))
    net.forward(X)
    net.backward(Y)  # backward
    net.step(0.3)
    if epoch % 50 == 0:
        print(epoch, net.loss(Y))
print("accuracy", (net.forward(X, train=False).argmax(axis=1) == labels).mean())
