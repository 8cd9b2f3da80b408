import numpy as np

rng = np.random.default_rng(61)
X = rng.uniform(-1, 1, (24, 2))
Y = np.c_[np.sin(2 * X[:, 0]), np.cos(2 * X[:, 1]), X[:, 0] * X[:, 1]]


def unpack(theta):
    return theta[:14].reshape(2, 7), theta[14:21], theta[21:42].reshape(7, 3), theta[42:]


def f(theta):
    W1, b1, W2, b2 = unpack(theta)
    return np.mean((np.tanh(X @ W1 + b1) @ W2 + b2 - Y) ** 2)


def grad(theta):
    W1, b1, W2, b2 = unpack(theta)
    H = np.tanh(X @ W1 + b1)
    dout = 2 * (H @ W2 + b2 - Y) / Y.size  # backward
    dH = dout @ W2.T * (1 - H ** 2)  # backward
    return np.concatenate([(X.T @ dH).ravel(), dH.sum(0), (H.T @ dout).ravel(), dout.sum(0)])  # backward


theta = rng.normal(scale=0.5, size=45)
velocity = np.zeros_like(theta)
momentum, learning_rate = 0.9, 0.1

for t in range(200):
    lookahead = theta + momentum * velocity
    g = grad(lookahead)  # backward
    velocity = momentum * velocity - learning_rate * g
    theta = theta + velocity
    if t % 40 == 0:
        print(t, f(theta))
