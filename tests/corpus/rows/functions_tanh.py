import numpy as np


def init_params(n_in, n_h1, n_h2, n_out, rng):
    W1 = rng.normal(0, 1 / np.sqrt(n_in), size=(n_in, n_h1))
    W2 = rng.normal(0, 1 / np.sqrt(n_h1), size=(n_h1, n_h2))
    W3 = rng.normal(0, 1 / np.sqrt(n_h2), size=(n_h2, n_out))
    return W1, np.zeros(n_h1), W2, np.zeros(n_h2), W3, np.zeros(n_out)


def forward(X, params):
    W1, b1, W2, b2, W3, b3 = params
    A1 = np.tanh(X @ W1 + b1)
    A2 = np.tanh(A1 @ W2 + b2)
    out = A2 @ W3 + b3
    return A1, A2, out


def mse(out, Y):
    return np.mean((out - Y) ** 2)


def backward(X, Y, params, acts):
    W1, b1, W2, b2, W3, b3 = params
    A1, A2, out = acts
    dout = 2 * (out - Y) / Y.size  # backward
    dW3 = A2.T @ dout  # backward
    db3 = dout.sum(axis=0)  # backward
    dZ2 = (dout @ W3.T) * (1 - A2 ** 2)  # backward
    dW2 = A1.T @ dZ2  # backward
    db2 = dZ2.sum(axis=0)  # backward
    dZ1 = (dZ2 @ W2.T) * (1 - A1 ** 2)  # backward
    dW1 = X.T @ dZ1  # backward
    db1 = dZ1.sum(axis=0)  # backward
    return dW1, db1, dW2, db2, dW3, db3


rng = np.random.default_rng(42)
X = rng.uniform(-2, 2, size=(40, 3))
Y = np.stack([np.sin(X[:, 0]) + X[:, 1], X[:, 1] * X[:, 2]], axis=1)

params = init_params(3, 8, 6, 2, rng)
lr = 0.1
for step in range(800):
    acts = forward(X, params)
    loss = mse(acts[-1], Y)
    grads = backward(X, Y, params, acts)  # backward
    for p, g in zip(params, grads):
        p -= lr * g
    if step % 200 == 0:
        print(f"step {step:4d}  loss {loss:.5f}")
