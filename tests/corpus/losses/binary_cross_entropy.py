import numpy as np

rng = np.random.default_rng(17)
X = rng.normal(size=(44, 2))
y = ((X ** 2).sum(axis=1) < 1.2).astype(float).reshape(-1, 1)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def bce(p, y, eps=1e-12):
    return -np.mean(y * np.log(p + eps) + (1 - y) * np.log(1 - p + eps))


W1 = rng.normal(size=(2, 8))
b1 = np.zeros(8)
W2 = rng.normal(size=(8, 5)) * 0.5
b2 = np.zeros(5)
W3 = rng.normal(size=(5, 1)) * 0.5
b3 = np.zeros(1)

lr = 0.3
for epoch in range(600):
    a1 = np.tanh(X @ W1 + b1)
    z2 = a1 @ W2 + b2
    a2 = np.maximum(z2, 0.0)
    p = sigmoid(a2 @ W3 + b3)

    dp = (p - y) / (p * (1 - p)) / len(y)  # backward
    dz3 = dp * p * (1 - p)  # backward
    dW3 = a2.T @ dz3  # backward
    db3 = dz3.sum(axis=0)  # backward
    dz2 = (dz3 @ W3.T) * (z2 > 0)  # backward
    dW2 = a1.T @ dz2  # backward
    db2 = dz2.sum(axis=0)  # backward
    dz1 = (dz2 @ W2.T) * (1 - a1 ** 2)  # backward
    dW1 = X.T @ dz1  # backward
    db1 = dz1.sum(axis=0)  # backward

    W3 -= lr * dW3
    b3 -= lr * db3
    W2 -= lr * dW2
    b2 -= lr * db2
    W1 -= lr * dW1
    b1 -= lr * db1

    if epoch % 150 == 0:
        print(f"epoch {epoch}: bce={bce(p, y):.4f} acc={np.mean((p > 0.5) == y):.3f}")
