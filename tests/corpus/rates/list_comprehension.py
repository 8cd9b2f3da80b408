import numpy as np

rng = np.random.RandomState(99)
X = rng.randn(22, 3)
Y = np.c_[np.cos(X[:, 0]), X[:, 1] - X[:, 2] ** 2]
eta = 0.05

sizes = (3, 10, 6, 2)
ws = [rng.randn(i, o) / np.sqrt(i) for i, o in zip(sizes, sizes[1:])]
bs = [np.zeros(o) for o in sizes[1:]]

for step in range(400):
    acts = [X]
    for i, (w, b) in enumerate(zip(ws, bs)):
        z = acts[-1] @ w + b
        acts.append(z if i == len(ws) - 1 else np.tanh(z))
    loss = np.mean((acts[-1] - Y) ** 2)

    gws, gbs = [], []
    delta = 2 * (acts[-1] - Y) / Y.size  # backward
    for i in range(len(ws) - 1, -1, -1):
        gws.insert(0, acts[i].T @ delta)  # backward
        gbs.insert(0, delta.sum(axis=0))  # backward
        if i > 0:
            delta = (delta @ ws[i].T) * (1 - acts[i] ** 2)  # backward

    ws = [w - eta * g for w, g in zip(ws, gws)]
    bs = [b - eta * g for b, g in zip(bs, gbs)]
    if step % 100 == 0:
        print(step, loss)
