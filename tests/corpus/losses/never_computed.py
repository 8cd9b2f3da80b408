import numpy as np

np.random.seed(27)
n_points, n_class = 15, 3
X = np.zeros((n_points * n_class, 2))
y = np.zeros(n_points * n_class, dtype=int)
for j in range(n_class):
    ix = range(n_points * j, n_points * (j + 1))
    r = np.linspace(0.1, 1, n_points)
    t = np.linspace(j * 4, (j + 1) * 4, n_points) + np.random.randn(n_points) * 0.1
    X[ix] = np.c_[r * np.sin(t), r * np.cos(t)]
    y[ix] = j

w1 = np.random.randn(2, 12)
c1 = np.zeros(12)
w2 = np.random.randn(12, 3) * 0.3
c2 = np.zeros(3)

for _ in range(500):
    hid = np.maximum(X @ w1 + c1, 0)
    s = hid @ w2 + c2
    prob = np.exp(s) / np.exp(s).sum(axis=1)[:, None]

    g = (prob - np.eye(n_class)[y]) / len(X)  # backward
    gw2 = hid.T @ g  # backward
    gc2 = g.sum(0)  # backward
    g = (g @ w2.T) * (hid > 0)  # backward
    gw1 = X.T @ g  # backward
    gc1 = g.sum(0)  # backward

    w1 -= 0.8 * gw1
    c1 -= 0.8 * gc1
    w2 -= 0.8 * gw2
    c2 -= 0.8 * gc2

print("training accuracy: %.2f" % np.mean(np.argmax(np.maximum(X @ w1 + c1, 0) @ w2 + c2, axis=1) == y))
