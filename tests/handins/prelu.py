import numpy as np


class PReLU:
    def __init__(self):
        self.alpha = 0.25
        self.dalpha = 0.0

    def forward(self, x):
        self.x = x
        return np.maximum(0, x) + self.alpha * np.minimum(0, x)

    def backward(self, dout):
        self.dalpha = np.sum(dout * np.minimum(0, self.x))
        return dout * np.where(self.x > 0, 1.0, self.alpha)
