import numpy as np
import matplotlib.pyplot as plt

np.random.seed(64)
x = np.linspace(-2, 2, 41).reshape(-1, 1)
y = np.sin(2 * x) + 0.3 * x

W1 = np.random.randn(1, 9)
b1 = np.random.randn(9) * 0.1
W2 = np.random.randn(9, 4) * 0.5
b2 = np.zeros(4)
W3 = np.random.randn(4, 1) * 0.5
b3 = np.zeros(1)

gamma = 0.1
losses = []
for epoch in range(600):
    if epoch in (300, 500):
        gamma *= 0.5
    h1 = np.tanh(x.dot(W1) + b1)
    h2 = np.tanh(h1.dot(W2) + b2)
    y_hat = h2.dot(W3) + b3
    losses.append(np.mean((y_hat - y) ** 2))

    dy = 2 * (y_hat - y) / len(x)  # backward
    dW3 = h2.T.dot(dy)  # backward
    db3 = dy.sum(axis=0)  # backward
    dh2 = dy.dot(W3.T) * (1 - h2 ** 2)  # backward
    dW2 = h1.T.dot(dh2)  # backward
    db2 = dh2.sum(axis=0)  # backward
    dh1 = dh2.dot(W2.T) * (1 - h1 ** 2)  # backward
    dW1 = x.T.dot(dh1)  # backward
    db1 = dh1.sum(axis=0)  # backward

    W1 += -gamma * dW1
    b1 += -gamma * db1
    W2 += -gamma * dW2
    b2 += -gamma * db2
    W3 += -gamma * dW3
    b3 += -gamma * db3

print("final mse", losses[-1])
plt.plot(losses)
plt.xlabel("epoch")
plt.ylabel("mse")
plt.show()
