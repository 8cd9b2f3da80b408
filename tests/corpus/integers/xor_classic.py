import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(a):
    return a * (1 - a)  # backward


X = np.array([[0, 0],
              [0, 1],
              [1, 0],
              [1, 1]])
y = np.array([[0], [1], [1], [0]])

np.random.seed(1)
syn0 = 2 * np.random.random((2, 5)) - 1
bias0 = np.zeros((1, 5))
syn1 = 2 * np.random.random((5, 1)) - 1
bias1 = np.zeros((1, 1))

for j in range(2000):
    l1 = sigmoid(np.dot(X, syn0) + bias0)
    l2 = sigmoid(np.dot(l1, syn1) + bias1)

    l2_error = y - l2  # backward
    if j % 500 == 0:
        print("Error:", np.mean(np.abs(l2_error)))

    l2_delta = l2_error * sigmoid_derivative(l2)  # backward
    l1_error = l2_delta.dot(syn1.T)  # backward
    l1_delta = l1_error * sigmoid_derivative(l1)  # backward

    syn1 += l1.T.dot(l2_delta)
    bias1 += np.sum(l2_delta, axis=0, keepdims=True)
    syn0 += X.T.dot(l1_delta)
    bias0 += np.sum(l1_delta, axis=0, keepdims=True)

print(np.round(l2, 2))
