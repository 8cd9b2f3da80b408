import numpy as np


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        dx = self.y * dout
        s = np.sum(dx, axis=1, keepdims=True)
        dx -= self.y * s
        return dx
