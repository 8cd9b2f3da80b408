import numpy as np


class Linear:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.random.randn(n_in, n_out).astype(np.float32), "b": np.zeros(n_out, dtype=np.float32)}
        self.grads = {"W": np.zeros((n_in, n_out)), "b": np.zeros(n_out)}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dy):
        self.grads["W"] += self.x.T @ dy
        self.grads["b"] += dy.sum(0)
        return dy @ self.params["W"].T
