import numpy as np

rng = np.random.RandomState(3)
X = rng.randn(40, 5)
y = (X @ np.array([1.5, -2.0, 0.5, 0.0, 1.0]) + 0.3 > 0).astype(int)

w = np.zeros(5)
b = 0.0
eta = 0.1

for epoch in range(20):
    cost = 0.0
    for i in rng.permutation(len(X)):
        xi, target = X[i], y[i]
        z = np.dot(w, xi) + b
        p = 1.0 / (1.0 + np.exp(-z))
        cost += -target * np.log(p) - (1 - target) * np.log(1 - p)
        error = p - target  # backward
        w -= eta * error * xi
        b -= eta * error
    if epoch % 5 == 0:
        print("epoch", epoch, "cost", cost / len(X))
