import numpy as np


class Residual:
    """y = x + tanh(x W)"""

    def __init__(self, size):
        self.W = np.random.randn(size, size)

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W)
        return x + self.h

    def backward(self, dy):
        da = dy * (1 - self.h ** 2)
        self.dW = self.x.T @ da
        return dy + da @ self.W.T
