import numpy as np
def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
class SelfAttention:
    def __init__(self, d):
        self.W_q = np.random.randn(d, d) * 0.5
        self.W_k = np.random.randn(d, d) * 0.5
        self.W_v = np.random.randn(d, d) * 0.5
        self.d = d
    def forward(self, X):
        self.X = X
        self.Q, self.K, self.V = X @ self.W_q, X @ self.W_k, X @ self.W_v
        self.A = softmax(self.Q @ self.K.transpose(0, 2, 1) / np.sqrt(self.d))
        return self.A @ self.V
    def backward(self, dO):
        dA = dO @ self.V.transpose(0, 2, 1)
        dV = self.A.transpose(0, 2, 1) @ dO
        dS = self.A * (dA - np.sum(dA * self.A, axis=-1, keepdims=True)) / np.sqrt(self.d)
        dQ = dS @ self.K
        dK = dS.transpose(0, 2, 1) @ self.Q
        self.dW_q = np.einsum('btd,bte->de', self.X, dQ)
        self.dW_k = np.einsum('btd,bte->de', self.X, dK)
        self.dW_v = np.einsum('btd,bte->de', self.X, dV)
        return dQ @ self.W_q.T + dK @ self.W_k.T + dV @ self.W_v.T
