import numpy as np


def initialize_parameters(layer_dims):
    np.random.seed(3)
    parameters = {}
    for l in range(1, len(layer_dims)):
        parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) * np.sqrt(2 / layer_dims[l - 1])
        parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))
    return parameters


def forward(X, parameters):
    L = len(parameters) // 2
    cache = {"A0": X}
    A = X
    for l in range(1, L + 1):
        Z = np.dot(parameters["W" + str(l)], A) + parameters["b" + str(l)]
        A = np.maximum(0, Z) if l < L else 1 / (1 + np.exp(-Z))
        cache["Z" + str(l)] = Z
        cache["A" + str(l)] = A
    return A, cache


def compute_cost(AL, Y):
    return -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / Y.shape[1]


def backward(AL, Y, parameters, cache):
    L = len(parameters) // 2
    m = Y.shape[1]
    grads = {}
    dZ = AL - Y  # backward
    for l in range(L, 0, -1):
        grads["dW" + str(l)] = np.dot(dZ, cache["A" + str(l - 1)].T) / m  # backward
        grads["db" + str(l)] = np.sum(dZ, axis=1, keepdims=True) / m  # backward
        if l > 1:
            dA = np.dot(parameters["W" + str(l)].T, dZ)  # backward
            dZ = dA * (cache["Z" + str(l - 1)] > 0)  # backward
    return grads


def update_parameters(parameters, grads, learning_rate):
    for l in range(1, len(parameters) // 2 + 1):
        parameters["W" + str(l)] -= learning_rate * grads["dW" + str(l)]
        parameters["b" + str(l)] -= learning_rate * grads["db" + str(l)]
    return parameters


rng = np.random.RandomState(0)
X = rng.randn(5, 32)
Y = (np.sum(X ** 2, axis=0, keepdims=True) > 4.5).astype(int)
parameters = initialize_parameters([5, 9, 6, 4, 1])
for i in range(500):
    AL, cache = forward(X, parameters)
    cost = compute_cost(AL, Y)
    grads = backward(AL, Y, parameters, cache)  # backward
    parameters = update_parameters(parameters, grads, learning_rate=0.1)
    if i % 100 == 0:
        print("Cost after iteration {}: {:.6f}".format(i, cost))
