import numpy as np

rng = np.random.default_rng(88)
architecture = [
    {"in": 3, "out": 9, "act": "tanh"},
    {"in": 9, "out": 6, "act": "sigmoid"},
    {"in": 6, "out": 2, "act": "linear"},
]
net = {}
for i, layer in enumerate(architecture):
    net[i] = {"W": rng.normal(0, 0.7, (layer["in"], layer["out"])), "b": np.zeros((1, layer["out"]))}


def activate(z, name):
    if name == "tanh":
        return np.tanh(z)
    if name == "sigmoid":
        return 1 / (1 + np.exp(-z))
    return z


def activate_grad(a, name):
    if name == "tanh":
        return 1 - a ** 2  # backward
    if name == "sigmoid":
        return a * (1 - a)  # backward
    return np.ones_like(a)  # backward


def full_forward(X):
    memory = {-1: X}
    for i, layer in enumerate(architecture):
        memory[i] = activate(memory[i - 1] @ net[i]["W"] + net[i]["b"], layer["act"])
    return memory


def full_backward(memory, Y):
    grads = {}
    last = len(architecture) - 1
    dA = (memory[last] - Y) / Y.shape[0]  # backward
    for i in reversed(range(len(architecture))):
        dZ = dA * activate_grad(memory[i], architecture[i]["act"])  # backward
        grads[i] = {"W": memory[i - 1].T @ dZ, "b": dZ.sum(axis=0, keepdims=True)}  # backward
        dA = dZ @ net[i]["W"].T  # backward
    return grads


X = rng.uniform(-1, 1, (26, 3))
Y = np.hstack([X[:, :1] * X[:, 1:2], X[:, 2:] ** 3])
for epoch in range(500):
    memory = full_forward(X)
    grads = full_backward(memory, Y)  # backward
    for i in net:
        for key in ("W", "b"):
            net[i][key] -= 0.5 * grads[i][key]
    if epoch % 100 == 0:
        print(epoch, 0.5 * np.mean(np.sum((memory[2] - Y) ** 2, axis=1)))
