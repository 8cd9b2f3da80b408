import numpy as np

rng = np.random.default_rng(66)


def batches(X, y, size):
    order = np.arange(len(X))
    rng.shuffle(order)
    for chunk in np.array_split(order, len(X) // size):
        yield X[chunk], y[chunk]


def forward(x, net):
    h1 = np.tanh(x @ net[0] + net[1])
    h2 = np.tanh(h1 @ net[2] + net[3])
    return h1, h2, (h2 @ net[4] + net[5])[:, 0]


def gradients(x, y, net):
    h1, h2, out = forward(x, net)
    d = (2 * (out - y) / len(y))[:, None]  # backward
    g4, g5 = h2.T @ d, d.sum(0)  # backward
    d = d @ net[4].T * (1 - h2 ** 2)  # backward
    g2, g3 = h1.T @ d, d.sum(0)  # backward
    d = d @ net[2].T * (1 - h1 ** 2)  # backward
    g0, g1 = x.T @ d, d.sum(0)  # backward
    return [g0, g1, g2, g3, g4, g5]


X = rng.uniform(-2, 2, (57, 2))
y = np.exp(-X[:, 0] ** 2) + 0.3 * X[:, 1]
net = [rng.normal(size=(2, 9)), np.zeros(9), rng.normal(size=(9, 5)) / 3, np.zeros(5), rng.normal(size=(5, 1)) / 2, np.zeros(1)]

for epoch in range(80):
    for xb, yb in batches(X, y, 8):
        for p, g in zip(net, gradients(xb, yb, net)):  # backward
            p -= 0.05 * g
    if epoch % 20 == 0:
        print(epoch, np.mean((forward(X, net)[-1] - y) ** 2))
