import numpy as np


def init(dims, rng):
    p = {}
    for l in range(1, len(dims)):
        p["W%d" % l] = rng.randn(dims[l], dims[l - 1]) * np.sqrt(2.0 / dims[l - 1])
        p["b%d" % l] = np.zeros((dims[l], 1))
    return p


def linear_activation_forward(A_prev, W, b, activation):
    Z = np.dot(W, A_prev) + b
    A = np.maximum(0, Z) if activation == "relu" else 1 / (1 + np.exp(-Z))
    return A, ((A_prev, W, b), Z)


def linear_backward(dZ, linear_cache):
    A_prev, W, b = linear_cache
    m = A_prev.shape[1]
    dW = 1.0 / m * np.dot(dZ, A_prev.T)  # backward
    db = 1.0 / m * np.sum(dZ, axis=1, keepdims=True)  # backward
    dA_prev = np.dot(W.T, dZ)  # backward
    return dA_prev, dW, db


def linear_activation_backward(dA, cache, activation):
    linear_cache, Z = cache
    if activation == "relu":
        dZ = dA * (Z > 0)  # backward
    else:
        s = 1 / (1 + np.exp(-Z))  # backward
        dZ = dA * s * (1 - s)  # backward
    return linear_backward(dZ, linear_cache)  # backward


rng = np.random.RandomState(4)
X = rng.rand(6, 40)
Y = (X[:3].sum(axis=0) > X[3:].sum(axis=0)).reshape(1, -1).astype(float)
params = init([6, 11, 5, 1], rng)
kinds = ["relu", "relu", "sigmoid"]

for it in range(300):
    A, caches = X, []
    for l, kind in enumerate(kinds, 1):
        A, cache = linear_activation_forward(A, params["W%d" % l], params["b%d" % l], kind)
        caches.append(cache)
    cost = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))

    grads = {}
    dA = -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))  # backward
    for l in range(3, 0, -1):
        dA, grads["dW%d" % l], grads["db%d" % l] = linear_activation_backward(dA, caches[l - 1], kinds[l - 1])  # backward
    for key in params:
        params[key] = params[key] - 0.3 * grads["d" + key]
    if it % 100 == 0:
        print("Cost after iteration %d: %.4f" % (it, cost))
