import numpy as np

np.random.seed(1)
x = np.random.randn(60, 4)
true_w = np.random.randn(4, 2)
y = np.tanh(x @ true_w) + 0.05 * np.random.randn(60, 2)

W1 = 0.5 * np.random.randn(4, 11)
b1 = np.zeros(11)
W2 = 0.5 * np.random.randn(11, 2)
b2 = np.zeros(2)

batch_size = 15
lr = 0.05
n = x.shape[0]

for epoch in range(60):
    perm = np.random.permutation(n)
    total = 0.0
    for start in range(0, n, batch_size):
        idx = perm[start:start + batch_size]
        xb, yb = x[idx], y[idx]

        z1 = xb @ W1 + b1
        a1 = np.maximum(0, z1)
        pred = a1 @ W2 + b2
        diff = pred - yb
        loss = np.sum(diff ** 2) / len(idx)
        total += loss * len(idx)

        dpred = 2 * diff / len(idx)  # backward
        dW2 = a1.T @ dpred  # backward
        db2 = dpred.sum(0)  # backward
        da1 = dpred @ W2.T  # backward
        dz1 = da1 * (z1 > 0)  # backward
        dW1 = xb.T @ dz1  # backward
        db1 = dz1.sum(0)  # backward

        W1 -= lr * dW1
        b1 -= lr * db1
        W2 -= lr * dW2
        b2 -= lr * db2
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", total / n)
