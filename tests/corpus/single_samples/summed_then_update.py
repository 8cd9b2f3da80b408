import numpy as np

rng = np.random.RandomState(13)
data = [(rng.randn(4), rng.randint(3)) for _ in range(18)]

w1 = rng.randn(4, 7) * 0.5
b1 = np.zeros(7)
w2 = rng.randn(7, 3) * 0.5
b2 = np.zeros(3)


def softmax(v):
    e = np.exp(v - v.max())
    return e / e.sum()


for it in range(60):
    gw1 = np.zeros_like(w1)  # backward
    gb1 = np.zeros_like(b1)  # backward
    gw2 = np.zeros_like(w2)  # backward
    gb2 = np.zeros_like(b2)  # backward
    loss = 0.0
    for x, label in data:
        z = x @ w1 + b1
        a = np.where(z > 0, z, 0)
        p = softmax(a @ w2 + b2)
        loss -= np.log(p[label])

        d2 = p.copy()  # backward
        d2[label] -= 1  # backward
        gw2 += np.outer(a, d2)  # backward
        gb2 += d2  # backward
        d1 = w2 @ d2  # backward
        d1[z <= 0] = 0  # backward
        gw1 += np.outer(x, d1)  # backward
        gb1 += d1  # backward

    w1 -= 0.5 * gw1 / len(data)
    b1 -= 0.5 * gb1 / len(data)
    w2 -= 0.5 * gw2 / len(data)
    b2 -= 0.5 * gb2 / len(data)
    if it % 20 == 0:
        print(it, loss / len(data))
