import numpy as np

np.random.seed(21)
X = np.random.rand(33, 5)
T = np.random.rand(33, 2)

eta, lmbda = 0.5, 0.1
n = len(X)
sizes = [5, 8, 4, 2]
weights = [np.random.randn(a, b) / np.sqrt(a) for a, b in zip(sizes[:-1], sizes[1:])]
biases = [np.zeros(b) for b in sizes[1:]]


def sigma(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigma_prime(z):
    return sigma(z) * (1 - sigma(z))  # backward


for epoch in range(200):
    activations, zs = [X], []
    for w, b in zip(weights, biases):
        zs.append(activations[-1] @ w + b)
        activations.append(sigma(zs[-1]))

    cost = 0.5 * np.sum((activations[-1] - T) ** 2) / n
    cost += 0.5 * (lmbda / n) * sum(np.sum(w ** 2) for w in weights)

    nabla_w = [np.zeros_like(w) for w in weights]  # backward
    nabla_b = [np.zeros_like(b) for b in biases]  # backward
    delta = (activations[-1] - T) * sigma_prime(zs[-1])  # backward
    nabla_w[-1] = activations[-2].T @ delta  # backward
    nabla_b[-1] = delta.sum(axis=0)  # backward
    for l in range(2, len(sizes)):
        delta = (delta @ weights[-l + 1].T) * sigma_prime(zs[-l])  # backward
        nabla_w[-l] = activations[-l - 1].T @ delta  # backward
        nabla_b[-l] = delta.sum(axis=0)  # backward

    weights = [(1 - eta * lmbda / n) * w - (eta / n) * nw for w, nw in zip(weights, nabla_w)]
    biases = [b - (eta / n) * nb for b, nb in zip(biases, nabla_b)]
    if epoch % 50 == 0:
        print("Epoch", epoch, "cost", cost)
