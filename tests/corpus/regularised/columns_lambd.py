import numpy as np

np.random.seed(1)
m = 34
X = np.random.randn(6, m)
Y = (X[0:1] + X[1:2] ** 2 - X[2:3] > 0.5).astype(int)

W1, b1 = np.random.randn(9, 6) / np.sqrt(6), np.zeros((9, 1))
W2, b2 = np.random.randn(4, 9) / np.sqrt(9), np.zeros((4, 1))
W3, b3 = np.random.randn(1, 4) / np.sqrt(4), np.zeros((1, 1))
lambd = 0.7
learning_rate = 0.2


def compute_cost_with_regularization(A3, Y):
    cross_entropy = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    l2 = (np.sum(np.square(W1)) + np.sum(np.square(W2)) + np.sum(np.square(W3))) * lambd / (2 * m)
    return cross_entropy + l2


for i in range(400):
    Z1 = np.dot(W1, X) + b1
    A1 = np.maximum(Z1, 0)
    Z2 = np.dot(W2, A1) + b2
    A2 = np.maximum(Z2, 0)
    Z3 = np.dot(W3, A2) + b3
    A3 = 1 / (1 + np.exp(-Z3))
    cost = compute_cost_with_regularization(A3, Y)

    dZ3 = A3 - Y  # backward
    dW3 = 1. / m * np.dot(dZ3, A2.T) + (lambd * W3) / m  # backward
    db3 = 1. / m * np.sum(dZ3, axis=1, keepdims=True)  # backward
    dA2 = np.dot(W3.T, dZ3)  # backward
    dZ2 = np.multiply(dA2, np.int64(A2 > 0))  # backward
    dW2 = 1. / m * np.dot(dZ2, A1.T) + (lambd * W2) / m  # backward
    db2 = 1. / m * np.sum(dZ2, axis=1, keepdims=True)  # backward
    dA1 = np.dot(W2.T, dZ2)  # backward
    dZ1 = np.multiply(dA1, np.int64(A1 > 0))  # backward
    dW1 = 1. / m * np.dot(dZ1, X.T) + (lambd * W1) / m  # backward
    db1 = 1. / m * np.sum(dZ1, axis=1, keepdims=True)  # backward

    W1 -= learning_rate * dW1
    b1 -= learning_rate * db1
    W2 -= learning_rate * dW2
    b2 -= learning_rate * db2
    W3 -= learning_rate * dW3
    b3 -= learning_rate * db3
    if i % 100 == 0:
        print("Cost after iteration {}: {}".format(i, cost))
