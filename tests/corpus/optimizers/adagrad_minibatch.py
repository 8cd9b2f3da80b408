import numpy as np

np.random.seed(81)
X = np.random.randn(52, 4)
y = np.argmax(np.c_[X[:, 0] + X[:, 1], X[:, 2] ** 2 - 0.5, X[:, 3]], axis=1)

P = {"W1": np.random.randn(4, 10) / 2, "b1": np.zeros(10), "W2": np.random.randn(10, 3) / 3, "b2": np.zeros(3)}
G2 = {k: np.zeros_like(val) for k, val in P.items()}
bs = 13

for epoch in range(40):
    indices = np.random.permutation(len(X))
    running = 0.0
    for s in range(0, len(X), bs):
        sel = indices[s:s + bs]
        xb, yb = X[sel], y[sel]
        act = np.tanh(xb @ P["W1"] + P["b1"])
        logits = act @ P["W2"] + P["b2"]
        logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -logp[range(bs), yb].mean()
        running += loss

        D = {}
        dlogits = np.exp(logp)  # backward
        dlogits[range(bs), yb] -= 1  # backward
        dlogits /= bs  # backward
        D["W2"] = act.T @ dlogits  # backward
        D["b2"] = dlogits.sum(0)  # backward
        dact = (1 - act ** 2) * (dlogits @ P["W2"].T)  # backward
        D["W1"] = xb.T @ dact  # backward
        D["b1"] = dact.sum(0)  # backward

        for k in P:
            G2[k] += D[k] * D[k]
            P[k] -= 0.1 * D[k] / (np.sqrt(G2[k]) + 1e-8)
    if epoch % 10 == 0:
        print(epoch, running / 4)
