import numpy as np

np.random.seed(8)
X = np.random.randint(0, 4, size=(21, 3))
labels = (X[:, 0] + 2 * X[:, 1] + X[:, 2]) % 3
Y = np.eye(3, dtype=int)[labels]

W1 = np.random.normal(0, 0.5, (3, 9))
b1 = np.zeros(9)
W2 = np.random.normal(0, 0.5, (9, 3))
b2 = np.zeros(3)
lr = 0.2

for epoch in range(1000):
    a1 = np.tanh(X @ W1 + b1)
    logits = a1 @ W2 + b2
    exps = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    p = exps / np.sum(exps, axis=1, keepdims=True)
    loss = -np.mean(np.sum(Y * np.log(p + 1e-12), axis=1))

    dlogits = (p - Y) / X.shape[0]  # backward
    dW2 = a1.T @ dlogits  # backward
    db2 = dlogits.sum(axis=0)  # backward
    dz1 = dlogits @ W2.T * (1 - a1 * a1)  # backward
    dW1 = X.T @ dz1  # backward
    db1 = dz1.sum(axis=0)  # backward

    for param, grad in [(W1, dW1), (b1, db1), (W2, dW2), (b2, db2)]:
        param -= lr * grad

    if epoch % 250 == 0:
        print(epoch, round(loss, 4), (p.argmax(1) == labels).mean())
