import numpy as np

rng = np.random.default_rng(5)


def initialize(n_in, n_hidden, n_out):
    return {
        "W1": rng.normal(scale=0.5, size=(n_in, n_hidden)),
        "b1": np.zeros(n_hidden),
        "W2": rng.normal(scale=0.5, size=(n_hidden, n_out)),
        "b2": np.zeros(n_out),
    }


def forward(X, params):
    Z1 = X @ params["W1"] + params["b1"]
    A1 = 1 / (1 + np.exp(-Z1))
    Z2 = A1 @ params["W2"] + params["b2"]
    return Z2, {"X": X, "A1": A1, "Z2": Z2}


def loss_fn(out, Y):
    return 0.5 * np.sum((out - Y) ** 2) / len(Y)


def backward(params, cache, Y):
    n = Y.shape[0]
    grads = {}
    delta2 = (cache["Z2"] - Y) / n  # backward
    grads["W2"] = cache["A1"].T @ delta2  # backward
    grads["b2"] = np.sum(delta2, axis=0)  # backward
    delta1 = delta2 @ params["W2"].T * cache["A1"] * (1 - cache["A1"])  # backward
    grads["W1"] = cache["X"].T @ delta1  # backward
    grads["b1"] = np.sum(delta1, axis=0)  # backward
    return grads


def update(params, grads, lr):
    for key in params:
        params[key] = params[key] - lr * grads[key]
    return params


X = rng.uniform(-1, 1, (30, 4))
Y = np.column_stack([X[:, 0] * X[:, 1], X[:, 2] - X[:, 3] ** 2, X.sum(axis=1)])
params = initialize(4, 7, 3)
for epoch in range(500):
    out, cache = forward(X, params)
    grads = backward(params, cache, Y)  # backward
    params = update(params, grads, 0.3)
    if epoch % 100 == 0:
        print(epoch, loss_fn(out, Y))
