import numpy as np


class BinaryCrossEntropy:
    def forward(self, y, t):
        self.y = np.clip(y, 1e-7, 1 - 1e-7)
        self.t = t
        return -np.mean(t * np.log(self.y) + (1 - t) * np.log(1 - self.y))

    def backward(self, dout=1):
        dx = (self.y - self.t) / (self.y * (1 - self.y))
        return dout * dx / self.t.size
