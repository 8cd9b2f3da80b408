import numpy as np

np.random.seed(0)
X = np.random.randint(0, 2, (12, 4))
y = (X.sum(axis=1, keepdims=True) % 2)

W0 = 2 * np.random.rand(4, 7) - 1
B0 = np.zeros((1, 7))
W1 = 2 * np.random.rand(7, 1) - 1
B1 = np.zeros((1, 1))

for i in range(500):
    layer1 = 1 / (1 + np.exp(-(X.dot(W0) + B0)))
    layer2 = 1 / (1 + np.exp(-(layer1.dot(W1) + B1)))

    error2 = y - layer2  # backward
    delta2 = error2 * layer2 * (1 - layer2)  # backward
    error1 = delta2.dot(W1.T)  # backward
    delta1 = error1 * layer1 * (1 - layer1)  # backward

    W1 += layer1.T.dot(delta2)
    B1 += delta2.sum(axis=0, keepdims=True)
    W0 += X.T.dot(delta1)
    B0 += delta1.sum(axis=0, keepdims=True)

print("squared error", ((y - layer2) ** 2).sum())
