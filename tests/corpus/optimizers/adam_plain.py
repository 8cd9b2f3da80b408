import numpy as np

np.random.seed(71)
x = np.random.randn(30, 6)
y = np.sum(x[:, :3] * x[:, 3:], axis=1, keepdims=True)

w1 = np.random.randn(6, 10) * 0.4
b1 = np.zeros(10)
w2 = np.random.randn(10, 1) * 0.4
b2 = np.zeros(1)

lr = 1e-2
beta_1, beta_2 = 0.9, 0.99
mw1 = vw1 = np.zeros_like(w1)
mb1 = vb1 = np.zeros_like(b1)
mw2 = vw2 = np.zeros_like(w2)
mb2 = vb2 = np.zeros_like(b2)


def adam(p, g, m, v):
    # no bias correction
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g * g
    return p - lr * m / (np.sqrt(v) + 1e-8), m, v


for i in range(300):
    h = x @ w1 + b1
    a = h * (h > 0)
    yhat = a @ w2 + b2
    loss = ((yhat - y) ** 2).mean()

    gy = 2 * (yhat - y) / len(y)  # backward
    gw2 = a.T @ gy  # backward
    gb2 = gy.sum(axis=0)  # backward
    gh = (gy @ w2.T) * (h > 0)  # backward
    gw1 = x.T @ gh  # backward
    gb1 = gh.sum(axis=0)  # backward

    w1, mw1, vw1 = adam(w1, gw1, mw1, vw1)
    b1, mb1, vb1 = adam(b1, gb1, mb1, vb1)
    w2, mw2, vw2 = adam(w2, gw2, mw2, vw2)
    b2, mb2, vb2 = adam(b2, gb2, mb2, vb2)
    if i % 60 == 0:
        print("iter", i, "loss", round(loss, 5))
