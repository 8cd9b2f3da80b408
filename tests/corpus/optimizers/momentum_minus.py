import numpy as np

np.random.seed(35)
X = np.random.randn(45, 3)
y = np.digitize(X.sum(axis=1), [-1, 1])

W = [np.random.randn(3, 8) * 0.5, np.random.randn(8, 5) * 0.5, np.random.randn(5, 3) * 0.5]
b = [np.zeros((1, 8)), np.zeros((1, 5)), np.zeros((1, 3))]
v_W = [np.zeros_like(w) for w in W]
v_b = [np.zeros_like(c) for c in b]
lr, mu = 0.05, 0.9

for epoch in range(150):
    h1 = np.tanh(X @ W[0] + b[0])
    h2 = np.tanh(h1 @ W[1] + b[1])
    scores = h2 @ W[2] + b[2]
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = exp / exp.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(45), y]).mean()

    dscores = probs  # backward
    dscores[np.arange(45), y] -= 1  # backward
    dscores /= 45  # backward
    dh2 = dscores @ W[2].T * (1 - h2 ** 2)  # backward
    dh1 = dh2 @ W[1].T * (1 - h1 ** 2)  # backward
    dW = [X.T @ dh1, h1.T @ dh2, h2.T @ dscores]  # backward
    db = [d.sum(axis=0, keepdims=True) for d in (dh1, dh2, dscores)]  # backward

    for i in range(3):
        v_W[i] = mu * v_W[i] - lr * dW[i]
        v_b[i] = mu * v_b[i] - lr * db[i]
        W[i] += v_W[i]
        b[i] += v_b[i]
    if epoch % 30 == 0:
        print("epoch", epoch, "loss", loss)
