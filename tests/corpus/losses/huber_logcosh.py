import numpy as np

rng = np.random.default_rng(70)
X = rng.uniform(-1, 1, size=(28, 3))
Y = np.c_[X[:, 0] ** 2, X[:, 1] * X[:, 2]] * 3
Y[::7] += 4


def huber(r, delta=1.0):
    small = np.abs(r) <= delta
    return np.where(small, 0.5 * r ** 2, delta * (np.abs(r) - 0.5 * delta)).mean()


def huber_grad(r, delta=1.0):
    return np.clip(r, -delta, delta) / r.size  # backward


def log_cosh(r):
    return np.log(np.cosh(r)).mean()


def log_cosh_grad(r):
    return np.tanh(r) / r.size  # backward


for name, loss_fn, loss_grad in [("huber", huber, huber_grad), ("log-cosh", log_cosh, log_cosh_grad)]:
    A, a = rng.normal(size=(3, 10)), np.zeros(10)
    B, b = rng.normal(size=(10, 2)) * 0.3, np.zeros(2)
    for it in range(200):
        H = np.tanh(X @ A + a)
        R = H @ B + b - Y
        G = loss_grad(R)  # backward
        gB, gb = H.T @ G, G.sum(axis=0)  # backward
        GH = (G @ B.T) * (1 - H * H)  # backward
        gA, ga = X.T @ GH, GH.sum(axis=0)  # backward
        A -= 0.5 * gA
        a -= 0.5 * ga
        B -= 0.5 * gB
        b -= 0.5 * gb
    print(name, loss_fn(H @ B + b - Y))
