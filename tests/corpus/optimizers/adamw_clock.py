import numpy as np

rng = np.random.RandomState(91)
X = rng.rand(25, 3) * 2 - 1
Y = np.stack((X[:, 0] * X[:, 1], X[:, 2] ** 2), axis=-1)

theta = [rng.randn(3, 8), np.zeros(8), rng.randn(8, 6) / 2, np.zeros(6), rng.randn(6, 2) / 2, np.zeros(2)]
m = [np.zeros_like(p) for p in theta]
v = [np.zeros_like(p) for p in theta]
lr, b1, b2, wd = 5e-3, 0.9, 0.999, 1e-2
t = 0

while t < 300:
    t += 1
    h = np.tanh(X @ theta[0] + theta[1])
    q = np.tanh(h @ theta[2] + theta[3])
    r = q @ theta[4] + theta[5] - Y
    loss = 0.5 * (r ** 2).sum() / len(X)

    r = r / len(X)  # backward
    dq = r @ theta[4].T * (1 - q ** 2)  # backward
    dh = dq @ theta[2].T * (1 - h ** 2)  # backward
    g = [X.T @ dh, dh.sum(0), h.T @ dq, dq.sum(0), q.T @ r, r.sum(0)]  # backward

    for i, p in enumerate(theta):
        m[i] += (1 - b1) * (g[i] - m[i])
        v[i] += (1 - b2) * (g[i] ** 2 - v[i])
        if p.ndim == 2:
            p *= 1 - lr * wd
        p -= lr * (m[i] / (1 - b1 ** t)) / (np.sqrt(v[i] / (1 - b2 ** t)) + 1e-8)
    if t % 100 == 0:
        print(t, loss)
