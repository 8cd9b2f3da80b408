import numpy as np
class FullyConnected:
    """Samples are columns: Z = W A + b."""
    def __init__(self, n_in, n_out):
        self.params = {'W': np.random.randn(n_out, n_in) * 0.5, 'b': np.zeros((n_out, 1))}
        self.grads = {}
    def forward(self, A):
        self.A_prev = A
        return self.params['W'] @ A + self.params['b']
    def backward(self, dZ):
        m = self.A_prev.shape[1]
        self.grads['W'] = dZ @ self.A_prev.T
        self.grads['b'] = np.sum(dZ, axis=1, keepdims=True)
        return self.params['W'].T @ dZ
