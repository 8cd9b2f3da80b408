import numpy as np

segments = np.array([
    [1, 1, 1, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 1, 0, 1], [1, 1, 1, 1, 0, 0, 1],
    [0, 1, 1, 0, 0, 1, 1], [1, 0, 1, 1, 0, 1, 1], [1, 0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 1, 1],
])
digit = np.arange(10)
onehot = np.eye(10)[digit]


class Net:
    def __init__(self, hidden=12):
        r = np.random.RandomState(0)
        self.W1, self.b1 = r.randn(7, hidden) * 0.5, np.zeros(hidden)
        self.W2, self.b2 = r.randn(hidden, 10) * 0.5, np.zeros(10)

    def forward(self, x):
        self.a1 = 1 / (1 + np.exp(-(x @ self.W1 + self.b1)))
        s = np.exp(self.a1 @ self.W2 + self.b2)
        self.p = s / s.sum(axis=1, keepdims=True)
        return self.p

    def loss(self, labels):
        return -np.log(self.p[np.arange(len(labels)), labels]).mean()

    def backward(self, x, t):
        delta2 = (self.p - t) / len(x)  # backward
        self.gW2 = self.a1.T @ delta2  # backward
        self.gb2 = delta2.sum(axis=0)  # backward
        delta1 = delta2 @ self.W2.T * self.a1 * (1 - self.a1)  # backward
        self.gW1 = x.T @ delta1  # backward
        self.gb1 = delta1.sum(axis=0)  # backward

    def update(self, lr):
        self.W1 -= lr * self.gW1
        self.b1 -= lr * self.gb1
        self.W2 -= lr * self.gW2
        self.b2 -= lr * self.gb2


net = Net()
for epoch in range(801):
    net.forward(segments)
    net.backward(segments, onehot)  # backward
    net.update(lr=2)
    if epoch % 200 == 0:
        print(epoch, net.loss(digit))
print(net.forward(segments).argmax(axis=1))
