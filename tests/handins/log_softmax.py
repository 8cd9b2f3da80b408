import numpy as np
class LogSoftmax:
    def forward(self, x):
        m = x.max(axis=1, keepdims=True)
        self.out = x - m - np.log(np.exp(x - m).sum(axis=1, keepdims=True))
        return self.out
    def backward(self, dout):
        return dout - np.exp(self.out) * dout.sum(axis=1, keepdims=True)
