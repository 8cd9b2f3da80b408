import numpy as np


def initialize_velocity(parameters):
    return {"d" + k: np.zeros_like(p) for k, p in parameters.items()}


def forward_propagation(X, parameters):
    Z1 = parameters["W1"] @ X + parameters["b1"]
    A1 = np.maximum(Z1, 0)
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, (Z1, A1)


def backward_propagation(X, Y, A2, cache, parameters):
    Z1, A1 = cache
    m = X.shape[1]
    dZ2 = (A2 - Y) / m  # backward
    gradients = {"dW2": dZ2 @ A1.T, "db2": dZ2.sum(axis=1, keepdims=True)}  # backward
    dZ1 = (parameters["W2"].T @ dZ2) * (Z1 > 0)  # backward
    gradients["dW1"] = dZ1 @ X.T  # backward
    gradients["db1"] = dZ1.sum(axis=1, keepdims=True)  # backward
    return gradients


def update_parameters_with_momentum(parameters, grads, v, beta, learning_rate):
    for k in parameters:
        v["d" + k] = beta * v["d" + k] + (1 - beta) * grads["d" + k]
        parameters[k] = parameters[k] - learning_rate * v["d" + k]
    return parameters, v


def cost_function(A2, Y):
    return -(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)).sum() / Y.shape[1]


rng = np.random.RandomState(8)
X = rng.randn(4, 36)
Y = (X[[0]] * X[[3]] > 0).astype(float)
parameters = {"W1": rng.randn(11, 4) * 0.6, "b1": np.zeros((11, 1)), "W2": rng.randn(1, 11) * 0.6, "b2": np.zeros((1, 1))}
v = initialize_velocity(parameters)

for i in range(300):
    A2, cache = forward_propagation(X, parameters)
    grads = backward_propagation(X, Y, A2, cache, parameters)  # backward
    parameters, v = update_parameters_with_momentum(parameters, grads, v, beta=0.9, learning_rate=0.4)
    if i % 100 == 0:
        print("Cost after epoch %i: %f" % (i, cost_function(A2, Y)))
