import math
import numpy as np
class GELU:
    def forward(self, z):
        self.z = z
        self.cdf = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z ** 3)))
        return z * self.cdf
    def backward(self, grad):
        z = self.z
        c = math.sqrt(2 / math.pi)
        t = np.tanh(c * (z + 0.044715 * z ** 3))
        dt = (1 - t ** 2) * c * (1 + 3 * 0.044715 * z ** 2)
        return grad * (self.cdf + 0.5 * z * dt)
