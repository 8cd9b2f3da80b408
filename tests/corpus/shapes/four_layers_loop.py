import numpy as np

np.random.seed(46)
n_layers = 4
dims = [5, 11, 8, 6, 3]
X = np.random.randn(31, 5)
target = np.random.randint(0, 3, 31)
onehot = (target[:, None] == np.arange(3)) * 1.0

Ws = []
bs = []
for k in range(n_layers):
    Ws.append(np.random.randn(dims[k], dims[k + 1]) * np.sqrt(2 / dims[k]))
    bs.append(np.full((1, dims[k + 1]), 0.01))

lr = 0.1
for it in range(400):
    hs = [X]
    zs = []
    for k in range(n_layers):
        zs.append(hs[k] @ Ws[k] + bs[k])
        hs.append(np.maximum(zs[k], 0) if k < n_layers - 1 else zs[k])
    shifted = zs[-1] - zs[-1].max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -(onehot * log_p).sum() / len(X)

    dz = (np.exp(log_p) - onehot) / len(X)  # backward
    dWs = [None] * n_layers
    dbs = [None] * n_layers
    for k in range(n_layers - 1, -1, -1):
        dWs[k] = hs[k].T @ dz  # backward
        dbs[k] = dz.sum(axis=0, keepdims=True)  # backward
        if k > 0:
            dz = dz @ Ws[k].T  # backward
            dz[zs[k - 1] <= 0] = 0  # backward

    for k in range(n_layers):
        Ws[k] -= lr * dWs[k]
        bs[k] -= lr * dbs[k]

    if it % 100 == 0:
        print("iter %4d loss %.4f" % (it, loss))
