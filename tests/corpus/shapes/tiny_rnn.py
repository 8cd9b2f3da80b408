import numpy as np

np.random.seed(10)
text = np.array([0, 2, 1, 3, 3, 1, 0, 2, 2, 0])
vocab, hidden, steps = 4, 7, 9
inputs = np.eye(vocab)[text[:-1]]
targets = text[1:]

Wx = np.random.randn(hidden, vocab) * 0.3
Wh = np.random.randn(hidden, hidden) * 0.3
Wy = np.random.randn(vocab, hidden) * 0.3
bh = np.zeros(hidden)
by = np.zeros(vocab)

for n in range(200):
    h = np.zeros((steps + 1, hidden))
    p = np.zeros((steps, vocab))
    loss = 0
    for t in range(steps):
        h[t + 1] = np.tanh(Wx @ inputs[t] + Wh @ h[t] + bh)
        e = np.exp(Wy @ h[t + 1] + by)
        p[t] = e / e.sum()
        loss -= np.log(p[t, targets[t]])

    dWx, dWh, dWy = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy)  # backward
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)  # backward
    dh_next = np.zeros(hidden)  # backward
    for t in reversed(range(steps)):
        dy = p[t].copy()  # backward
        dy[targets[t]] -= 1  # backward
        dWy += np.outer(dy, h[t + 1])  # backward
        dby += dy  # backward
        dh = Wy.T @ dy + dh_next  # backward
        draw = dh * (1 - h[t + 1] ** 2)  # backward
        dWx += np.outer(draw, inputs[t])  # backward
        dWh += np.outer(draw, h[t])  # backward
        dbh += draw  # backward
        dh_next = Wh.T @ draw  # backward

    for param, dparam in zip((Wx, Wh, Wy, bh, by), (dWx, dWh, dWy, dbh, dby)):
        param -= 0.05 * dparam
    if n % 50 == 0:
        print("iter", n, "loss", loss)
