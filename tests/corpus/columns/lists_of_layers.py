import numpy as np

np.random.seed(23)


def layer_sizes():
    return [4, 10, 7, 2]


sizes = layer_sizes()
W = [None] + [np.random.randn(sizes[i], sizes[i - 1]) * 0.5 for i in range(1, len(sizes))]
b = [None] + [np.zeros((sizes[i], 1)) for i in range(1, len(sizes))]
L = len(sizes) - 1

x = np.random.randn(4, 29)
t = np.array([np.sin(x[0]) * x[1], np.abs(x[2]) - x[3]])
N = x.shape[1]

for epoch in range(400):
    a = [x]
    for l in range(1, L + 1):
        z = W[l] @ a[l - 1] + b[l]
        a.append(np.tanh(z) if l < L else z)

    loss = 0.5 * np.mean(np.sum((a[L] - t) ** 2, axis=0))

    dW, db = [None] * (L + 1), [None] * (L + 1)
    dz = a[L] - t  # backward
    for l in range(L, 0, -1):
        dW[l] = dz @ a[l - 1].T / N  # backward
        db[l] = np.mean(dz, axis=1, keepdims=True)  # backward
        dz = (W[l].T @ dz) * (1 - a[l - 1] ** 2)  # backward

    for l in range(1, L + 1):
        W[l] = W[l] - 0.2 * dW[l]
        b[l] = b[l] - 0.2 * db[l]

    if epoch % 100 == 0:
        print(epoch, loss)
