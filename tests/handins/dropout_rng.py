import numpy as np


class Dropout:
    def __init__(self, p):
        self.p = p
        self.training = True

    def forward(self, x):
        self.mask = np.ones_like(x)
        if self.training:
            rng = np.random.default_rng()
            self.mask = (rng.random(x.shape) < 1 - self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
