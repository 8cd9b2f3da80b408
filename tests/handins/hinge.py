import numpy as np


class HingeLoss:
    def forward(self, scores, t):
        self.margin = 1 - t * scores
        self.t = t
        return np.maximum(0, self.margin).sum()

    def backward(self):
        return np.where(self.margin > 0, -self.t, 0)
