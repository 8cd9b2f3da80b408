import numpy as np

np.random.seed(33)
X = np.random.randn(26, 4)
Y = np.column_stack([np.abs(X[:, 0]), X[:, 1] * X[:, 2], X[:, 3]])

W1, b1 = np.random.randn(4, 9) * 0.5, np.zeros(9)
W2, b2 = np.random.randn(9, 3) * 0.5, np.zeros(3)
vW1, vb1 = np.zeros_like(W1), np.zeros_like(b1)
vW2, vb2 = np.zeros_like(W2), np.zeros_like(b2)

lr = 0.02
mu = 0.9

for t in range(250):
    z1 = X @ W1 + b1
    a1 = np.maximum(z1, 0)
    out = a1 @ W2 + b2
    loss = np.mean(np.sum((out - Y) ** 2, axis=1))

    dout = 2 * (out - Y) / X.shape[0]  # backward
    dW2 = a1.T @ dout  # backward
    db2 = dout.sum(axis=0)  # backward
    dz1 = (dout @ W2.T) * (z1 > 0)  # backward
    dW1 = X.T @ dz1  # backward
    db1 = dz1.sum(axis=0)  # backward

    vW1 = mu * vW1 + dW1
    vb1 = mu * vb1 + db1
    vW2 = mu * vW2 + dW2
    vb2 = mu * vb2 + db2
    W1 -= lr * vW1
    b1 -= lr * vb1
    W2 -= lr * vW2
    b2 -= lr * vb2

    if t % 50 == 0:
        print(t, loss)
