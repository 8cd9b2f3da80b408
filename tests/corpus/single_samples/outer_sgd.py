import numpy as np

np.random.seed(6)
X = np.random.uniform(-1, 1, (25, 3))
y = np.column_stack((X[:, 0] * X[:, 1], np.sin(2 * X[:, 2])))

W1 = np.random.randn(6, 3) * 0.7
b1 = np.zeros(6)
W2 = np.random.randn(2, 6) * 0.7
b2 = np.zeros(2)
lr = 0.05

for epoch in range(30):
    total_loss = 0
    for xi, yi in zip(X, y):
        h = np.tanh(W1 @ xi + b1)
        o = W2 @ h + b2
        e = o - yi
        total_loss += 0.5 * np.dot(e, e)

        dW2 = np.outer(e, h)  # backward
        db2 = e  # backward
        dh = W2.T @ e  # backward
        dz = dh * (1 - h * h)  # backward
        dW1 = np.outer(dz, xi)  # backward
        db1 = dz  # backward

        W2 -= lr * dW2
        b2 -= lr * db2
        W1 -= lr * dW1
        b1 -= lr * db1
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", total_loss / len(X))
