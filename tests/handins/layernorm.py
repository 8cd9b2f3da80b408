import numpy as np


class LayerNorm:
    def __init__(self, dim):
        self.gamma = np.ones(dim)
        self.beta = np.zeros(dim)
        self.grads = {}

    def forward(self, x):
        mean = x.mean(axis=-1, keepdims=True)
        var = x.var(axis=-1, keepdims=True)
        self.istd = 1 / np.sqrt(var + 1e-5)
        self.xhat = (x - mean) * self.istd
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.grads["gamma"] = (dout * self.xhat).sum(axis=0)
        self.grads["beta"] = dout.sum(axis=0)
        D = dout.shape[-1]
        dxhat = dout * self.gamma
        s1 = dxhat.sum(axis=-1, keepdims=True)
        s2 = (dxhat * self.xhat).sum(axis=-1, keepdims=True)
        dx = (dxhat - s1 / D - self.xhat * s2 / D) * self.istd
        return dx
