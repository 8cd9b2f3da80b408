import numpy as np

rng = np.random.RandomState(14)
M = 27
X = rng.uniform(-1, 1, (3, M))
Y = np.vstack([X[0] ** 2 + X[1], X[1] * X[2]])

W1, b1 = rng.randn(9, 3) * 0.6, np.zeros((9, 1))
W2, b2 = rng.randn(5, 9) * 0.4, np.zeros((5, 1))
W3, b3 = rng.randn(2, 5) * 0.4, np.zeros((2, 1))

rate = 0.1
history = []
for k in range(700):
    # forward pass
    A1 = np.tanh(W1 @ X + b1)
    Z2 = W2 @ A1 + b2
    A2 = np.maximum(Z2, 0)
    Yhat = W3 @ A2 + b3
    J = np.sum((Yhat - Y) ** 2) / (2 * M)
    history.append(J)

    # gradients
    E3 = (Yhat - Y) / M  # backward
    gW3 = E3 @ A2.T  # backward
    gb3 = E3.sum(axis=1, keepdims=True)  # backward
    E2 = (W3.T @ E3) * np.where(Z2 > 0, 1, 0)  # backward
    gW2 = E2 @ A1.T  # backward
    gb2 = E2.sum(axis=1, keepdims=True)  # backward
    E1 = (W2.T @ E2) * (1 - A1 ** 2)  # backward
    gW1 = E1 @ X.T  # backward
    gb1 = E1.sum(axis=1, keepdims=True)  # backward

    # descent
    W3 -= rate * gW3; b3 -= rate * gb3
    W2 -= rate * gW2; b2 -= rate * gb2
    W1 -= rate * gW1; b1 -= rate * gb1

print("first cost", history[0], "last cost", history[-1])
