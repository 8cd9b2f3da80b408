import numpy as np

np.random.seed(12)
X = np.vstack([np.random.randn(21, 3) + 1, np.random.randn(16, 3) - 1])
y = np.hstack([np.ones(21), -np.ones(16)])

w = np.zeros(3)
b = 0.0
C = 5.0
lr = 0.01


def objective(w, b):
    distances = 1 - y * (X @ w + b)
    return 0.5 * w @ w + C * np.mean(np.maximum(0, distances))


for epoch in range(500):
    distances = 1 - y * (X @ w + b)
    active = distances > 0
    dw = w - C * (y[active] @ X[active]) / len(y)  # backward
    db = -C * np.sum(y[active]) / len(y)  # backward
    w = w - lr * dw
    b = b - lr * db
    if epoch % 100 == 0:
        print(epoch, objective(w, b))

print("w =", w, "b =", b)
