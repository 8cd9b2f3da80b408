import numpy as np

np.random.seed(2)
m = 50
X = np.random.randn(2, m)
Y = (X[0:1] * X[1:2] > 0).astype(float)

n_x, n_h, n_y = 2, 6, 1
W1 = np.random.randn(n_h, n_x) * 0.5
b1 = np.zeros((n_h, 1))
W2 = np.random.randn(n_y, n_h) * 0.5
b2 = np.zeros((n_y, 1))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


for i in range(1000):
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)

    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    cost = -np.sum(logprobs) / m

    dZ2 = A2 - Y  # backward
    dW2 = (1 / m) * np.dot(dZ2, A1.T)  # backward
    db2 = (1 / m) * np.sum(dZ2, axis=1, keepdims=True)  # backward
    dZ1 = np.multiply(np.dot(W2.T, dZ2), 1 - np.power(A1, 2))  # backward
    dW1 = (1 / m) * np.dot(dZ1, X.T)  # backward
    db1 = (1 / m) * np.sum(dZ1, axis=1, keepdims=True)  # backward

    W1 = W1 - 1.2 * dW1
    b1 = b1 - 1.2 * db1
    W2 = W2 - 1.2 * dW2
    b2 = b2 - 1.2 * db2

    if i % 200 == 0:
        print("Cost after iteration %i: %f" % (i, cost))
