import numpy as np


def softplus(z):
    return np.log1p(np.exp(z))


def softplus_prime(z):
    return 1 / (1 + np.exp(-z))  # backward


def elu(z, a=1.0):
    return np.where(z > 0, z, a * (np.exp(z) - 1))


def elu_prime(z, a=1.0):
    return np.where(z > 0, 1, a * np.exp(z))  # backward


C = np.sqrt(2 / np.pi)


def gelu(z):
    return 0.5 * z * (1 + np.tanh(C * (z + 0.044715 * z ** 3)))


def gelu_prime(z):
    t = np.tanh(C * (z + 0.044715 * z ** 3))  # backward
    return 0.5 * (1 + t) + 0.5 * z * (1 - t ** 2) * C * (1 + 3 * 0.044715 * z ** 2)  # backward


np.random.seed(58)
X = np.random.randn(29, 3)
Y = np.c_[X[:, 0] * X[:, 1], np.maximum(X[:, 1], X[:, 2])]
W1, b1 = np.random.randn(3, 10) * 0.5, np.zeros((1, 10))
W2, b2 = np.random.randn(10, 7) * 0.3, np.zeros((1, 7))
W3, b3 = np.random.randn(7, 5) * 0.3, np.zeros((1, 5))
W4, b4 = np.random.randn(5, 2) * 0.3, np.zeros((1, 2))

for epoch in range(500):
    z1 = X @ W1 + b1
    a1 = softplus(z1)
    z2 = a1 @ W2 + b2
    a2 = elu(z2)
    z3 = a2 @ W3 + b3
    a3 = gelu(z3)
    pred = a3 @ W4 + b4
    mse = ((pred - Y) ** 2).sum(axis=1).mean()

    d4 = 2 * (pred - Y) / len(Y)  # backward
    d3 = d4 @ W4.T * gelu_prime(z3)  # backward
    d2 = d3 @ W3.T * elu_prime(z2)  # backward
    d1 = d2 @ W2.T * softplus_prime(z1)  # backward

    for W, b, a, d in [(W4, b4, a3, d4), (W3, b3, a2, d3), (W2, b2, a1, d2), (W1, b1, X, d1)]:
        W -= 0.05 * a.T @ d
        b -= 0.05 * d.sum(axis=0, keepdims=True)
    if epoch % 100 == 0:
        print(epoch, mse)
