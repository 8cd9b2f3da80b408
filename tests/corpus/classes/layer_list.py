import numpy as np

np.random.seed(11)


class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * np.sqrt(2 / n_in)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW = self.x.T @ grad  # backward
        self.db = grad.sum(axis=0)  # backward
        return grad @ self.W.T  # backward

    def step(self, lr):
        self.W -= lr * self.dW
        self.b -= lr * self.db


class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad):
        return grad * self.mask  # backward


class MSELoss:
    def forward(self, pred, target):
        self.pred, self.target = pred, target
        return np.mean((pred - target) ** 2)

    def backward(self):
        return 2 * (self.pred - self.target) / self.pred.size  # backward


layers = [Linear(3, 12), ReLU(), Linear(12, 7), ReLU(), Linear(7, 2)]
criterion = MSELoss()
X = np.random.uniform(-1, 1, (28, 3))
Y = np.hstack([np.sin(3 * X[:, :1]), X[:, 1:2] * X[:, 2:3]])

for epoch in range(300):
    out = X
    for layer in layers:
        out = layer.forward(out)
    loss = criterion.forward(out, Y)
    grad = criterion.backward()  # backward
    for layer in reversed(layers):
        grad = layer.backward(grad)  # backward
    for layer in layers[::2]:
        layer.step(0.1)
    if epoch % 50 == 0:
        print("epoch %d loss %.6f" % (epoch, loss))
