import numpy as np

rng = np.random.RandomState(40)
X = rng.randn(28, 5)
T = np.tanh(X @ rng.randn(5, 3)) ** 2

W1, W2, W3 = rng.randn(5, 11) * 0.4, rng.randn(11, 7) * 0.4, rng.randn(7, 3) * 0.4
B1, B2, B3 = np.zeros(11), np.zeros(7), np.zeros(3)
gamma = 0.08

for n in range(500):
    A1 = np.tanh(np.dot(X, W1) + B1)
    A2 = np.tanh(np.dot(A1, W2) + B2)
    O = np.dot(A2, W3) + B3
    sse = np.sum((O - T) ** 2) / len(X)

    dO = 2.0 * (O - T) / len(X)  # backward
    dA2 = np.dot(dO, W3.T) * (1.0 - A2 * A2)  # backward
    dA1 = np.dot(dA2, W2.T) * (1.0 - A1 * A1)  # backward

    np.subtract(W3, gamma * np.dot(A2.T, dO), out=W3)
    np.subtract(B3, gamma * np.sum(dO, axis=0), out=B3)
    np.subtract(W2, gamma * np.dot(A1.T, dA2), out=W2)
    np.subtract(B2, gamma * np.sum(dA2, axis=0), out=B2)
    np.subtract(W1, gamma * np.dot(X.T, dA1), out=W1)
    np.subtract(B1, gamma * np.sum(dA1, axis=0), out=B1)
    if n % 100 == 0:
        print("n={} sse={:.5f}".format(n, sse))
