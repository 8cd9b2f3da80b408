import numpy as np

X = np.array([[0, 0, 1, 1],
              [0, 1, 0, 1]])
Y = np.array([[0, 1, 1, 0]])
m = X.shape[1]

np.random.seed(3)
W1 = np.random.randn(5, 2)
b1 = np.zeros((5, 1))
W2 = np.random.randn(3, 5)
b2 = np.zeros((3, 1))
W3 = np.random.randn(1, 3)
b3 = 0.0

for i in range(1000):
    A1 = np.tanh(np.dot(W1, X) + b1)
    A2 = np.tanh(np.dot(W2, A1) + b2)
    A3 = 1 / (1 + np.exp(-(np.dot(W3, A2) + b3)))
    cost = -(1 / m) * np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3))

    dZ3 = A3 - Y  # backward
    dW3 = np.dot(dZ3, A2.T) / m  # backward
    db3 = np.sum(dZ3) / m  # backward
    dZ2 = np.dot(W3.T, dZ3) * (1 - A2 ** 2)  # backward
    dW2 = np.dot(dZ2, A1.T) / m  # backward
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m  # backward
    dZ1 = np.dot(W2.T, dZ2) * (1 - A1 ** 2)  # backward
    dW1 = np.dot(dZ1, X.T) / m  # backward
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m  # backward

    W3 -= 0.3 * dW3
    b3 -= 0.3 * db3
    W2 -= 0.3 * dW2
    b2 -= 0.3 * db2
    W1 -= 0.3 * dW1
    b1 -= 0.3 * db1
    if i % 250 == 0:
        print(i, cost)

print((A3 > 0.5).astype(int))
