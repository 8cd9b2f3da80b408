import numpy as np

rng = np.random.default_rng(9)
X = rng.normal(size=(31, 5))
labels = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
Y = np.eye(3)[labels]

params = {
    "W1": rng.normal(size=(5, 12)) * 0.4, "b1": np.zeros(12),
    "W2": rng.normal(size=(12, 6)) * 0.4, "b2": np.zeros(6),
    "W3": rng.normal(size=(6, 3)) * 0.4, "b3": np.zeros(3),
}
m = {k: np.zeros_like(p) for k, p in params.items()}
v = {k: np.zeros_like(p) for k, p in params.items()}
lr, beta1, beta2, eps = 0.01, 0.9, 0.999, 1e-8


def loss_and_grads(p):
    a1 = np.tanh(X @ p["W1"] + p["b1"])
    a2 = np.tanh(a1 @ p["W2"] + p["b2"])
    s = a2 @ p["W3"] + p["b3"]
    s = np.exp(s - s.max(axis=1, keepdims=True))
    prob = s / s.sum(axis=1, keepdims=True)
    loss = -np.sum(Y * np.log(prob)) / len(X)

    g = {}
    d3 = (prob - Y) / len(X)  # backward
    g["W3"], g["b3"] = a2.T @ d3, d3.sum(axis=0)  # backward
    d2 = d3 @ p["W3"].T * (1 - a2 ** 2)  # backward
    g["W2"], g["b2"] = a1.T @ d2, d2.sum(axis=0)  # backward
    d1 = d2 @ p["W2"].T * (1 - a1 ** 2)  # backward
    g["W1"], g["b1"] = X.T @ d1, d1.sum(axis=0)  # backward
    return loss, g


for t in range(1, 201):
    loss, grads = loss_and_grads(params)  # backward
    for k in params:
        m[k] = beta1 * m[k] + (1 - beta1) * grads[k]
        v[k] = beta2 * v[k] + (1 - beta2) * grads[k] ** 2
        m_hat = m[k] / (1 - beta1 ** t)
        v_hat = v[k] / (1 - beta2 ** t)
        params[k] -= lr * m_hat / (np.sqrt(v_hat) + eps)
    if t % 50 == 0:
        print(f"step {t}: loss = {loss:.4f}")
