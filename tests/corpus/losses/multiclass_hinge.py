import numpy as np

rng = np.random.RandomState(30)
N, D, H, C = 39, 5, 8, 4
X = rng.randn(N, D)
y = (X[:, :C] + 0.2 * rng.randn(N, C)).argmax(axis=1)
rows = np.arange(N)

W1, b1 = rng.randn(D, H) * 0.5, np.zeros(H)
W2, b2 = rng.randn(H, C) * 0.5, np.zeros(C)

for step in range(300):
    pre = X.dot(W1) + b1
    hidden = np.maximum(pre, 0)
    scores = hidden.dot(W2) + b2

    correct = scores[rows, y][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1.0)
    margins[rows, y] = 0
    loss = margins.sum() / N

    dscores = (margins > 0).astype(float)  # backward
    dscores[rows, y] = -dscores.sum(axis=1)  # backward
    dscores /= N  # backward
    dW2 = hidden.T.dot(dscores)  # backward
    db2 = dscores.sum(axis=0)  # backward
    dhidden = dscores.dot(W2.T)  # backward
    dpre = np.where(pre > 0, dhidden, 0)  # backward
    dW1 = X.T.dot(dpre)  # backward
    db1 = dpre.sum(axis=0)  # backward

    W1 -= 0.1 * dW1
    b1 -= 0.1 * db1
    W2 -= 0.1 * dW2
    b2 -= 0.1 * db2
    if step % 100 == 0:
        print("step %3d  hinge loss %.4f" % (step, loss))
