import numpy as np


def loss_function(X, y, W1, b1, W2, b2):
    h = np.maximum(0, X.dot(W1) + b1)
    scores = h.dot(W2) + b2
    N = X.shape[0]
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).sum() / N + 0.1 * np.sum(W1 * W1) + 0.1 * np.sum(W2 * W2)
    d = p.copy()
    d[np.arange(N), y] -= 1
    d /= N
    grads = {}
    grads['W2'] = h.T.dot(d) + 0.2 * W2
    grads['b2'] = d.sum(axis=0)
    dh = d.dot(W2.T)
    dh[h <= 0] = 0
    grads['W1'] = X.T.dot(dh) + 0.2 * W1
    grads['b1'] = dh.sum(axis=0)
    grads['X'] = dh.dot(W1.T)
    return loss, grads
