import numpy as np
class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha
    def __call__(self, x):
        return self.forward(x)
    def forward(self, x):
        self.cache = x
        return np.where(x > 0, x, self.alpha * (np.exp(x) - 1))
    def backward(self, dout):
        x = self.cache
        dx = dout.copy()
        neg = x <= 0
        dx[neg] *= self.alpha * np.exp(x[neg])
        return dx
