import numpy as np

np.random.seed(68)
n, length, n_filters, width = 16, 10, 3, 4
X = 0.3 * np.random.randn(n, length)
labels = np.arange(n) % 2
for i in range(n):
    s = np.random.randint(0, 6)
    X[i, s:s + 4] += [1, -1, 1, -1] if labels[i] else [1, 1, -1, -1]

K = np.random.randn(n_filters, width) * 0.5
c = np.zeros(n_filters)
n_pos = length - width + 1
V = np.random.randn(n_filters * n_pos) * 0.3
v0 = 0.0
lr = 0.5

for epoch in range(60):
    Z = np.zeros((n, n_filters, n_pos))
    for f in range(n_filters):
        for p in range(n_pos):
            Z[:, f, p] = X[:, p:p + width] @ K[f] + c[f]
    A = np.maximum(Z, 0)
    flat = A.reshape(n, -1)
    prob = 1 / (1 + np.exp(-(flat @ V + v0)))
    loss = -np.mean(labels * np.log(prob) + (1 - labels) * np.log(1 - prob))

    dlogit = (prob - labels) / n  # backward
    dV = flat.T @ dlogit  # backward
    dv0 = dlogit.sum()  # backward
    dA = np.outer(dlogit, V).reshape(A.shape)  # backward
    dZ = dA * (Z > 0)  # backward
    dK = np.zeros_like(K)  # backward
    dc = np.zeros_like(c)  # backward
    for f in range(n_filters):
        for p in range(n_pos):
            dK[f] += dZ[:, f, p] @ X[:, p:p + width]  # backward
            dc[f] += dZ[:, f, p].sum()  # backward

    K -= lr * dK
    c -= lr * dc
    V -= lr * dV
    v0 -= lr * dv0
    if epoch % 20 == 0:
        print("epoch", epoch, "loss", loss)
