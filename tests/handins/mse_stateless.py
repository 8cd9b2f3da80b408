import numpy as np


class MSELoss:
    def forward(self, predicted, actual):
        return ((predicted - actual) ** 2).mean()

    def backward(self, predicted, actual):
        n = predicted.shape[0] * predicted.shape[1]
        return 2 * (predicted - actual) / n
