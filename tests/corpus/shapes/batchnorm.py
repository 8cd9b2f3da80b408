import numpy as np

rng = np.random.default_rng(52)
X = rng.normal(2.0, 3.0, size=(24, 4))
Y = np.c_[X[:, 0] - X[:, 1], np.abs(X[:, 2])] / 4

W1 = rng.normal(size=(4, 7)) * 0.4
gamma = np.ones((1, 7))
beta = np.zeros((1, 7))
W2 = rng.normal(size=(7, 2)) * 0.4
b2 = np.zeros((1, 2))
eps = 1e-5
lr = 0.1
N = X.shape[0]

for step in range(400):
    Z = X @ W1
    mu = Z.mean(axis=0, keepdims=True)
    var = Z.var(axis=0, keepdims=True)
    inv_std = 1.0 / np.sqrt(var + eps)
    Zhat = (Z - mu) * inv_std
    Q = gamma * Zhat + beta
    A = np.maximum(Q, 0)
    out = A @ W2 + b2
    loss = np.mean((out - Y) ** 2)

    dout = 2 * (out - Y) / Y.size  # backward
    dW2 = A.T @ dout  # backward
    db2 = dout.sum(axis=0, keepdims=True)  # backward
    dQ = (dout @ W2.T) * (Q > 0)  # backward
    dgamma = (dQ * Zhat).sum(axis=0, keepdims=True)  # backward
    dbeta = dQ.sum(axis=0, keepdims=True)  # backward
    dZhat = dQ * gamma  # backward
    dvar = np.sum(dZhat * (Z - mu) * -0.5 * inv_std ** 3, axis=0, keepdims=True)  # backward
    dmu = -np.sum(dZhat * inv_std, axis=0, keepdims=True)  # backward
    dZ = dZhat * inv_std + dvar * 2 * (Z - mu) / N + dmu / N  # backward
    dW1 = X.T @ dZ  # backward

    W1 -= lr * dW1
    gamma -= lr * dgamma
    beta -= lr * dbeta
    W2 -= lr * dW2
    b2 -= lr * db2
    if step % 100 == 0:
        print("step", step, "loss", loss)
