import numpy as np
sigmoid = lambda x: 1 / (1 + np.exp(-x))
class Swish:
    def __init__(self, beta=1.0):
        self.beta = beta
        self.dbeta = 0.0
    def forward(self, x):
        self.x = x
        self.s = sigmoid(self.beta * x)
        return x * self.s
    def backward(self, dout):
        s, x = self.s, self.x
        self.dbeta = np.sum(dout * x * x * s * (1 - s))
        return dout * (s + self.beta * x * s * (1 - s))
