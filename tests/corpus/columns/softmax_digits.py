import numpy as np

rng = np.random.RandomState(7)
m = 45
centers = rng.randn(4, 5) * 2
labels = rng.randint(0, 5, m)
X = centers[:, labels] + rng.randn(4, m) * 0.6


def one_hot(Y, k):
    out = np.zeros((k, Y.size))
    out[Y, np.arange(Y.size)] = 1
    return out


def relu(Z):
    return np.maximum(Z, 0)


def softmax(Z):
    e = np.exp(Z - Z.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1.dot(X) + b1
    A1 = relu(Z1)
    Z2 = W2.dot(A1) + b2
    A2 = softmax(Z2)
    return Z1, A1, Z2, A2


def deriv_relu(Z):
    return Z > 0  # backward


def backward_prop(Z1, A1, A2, W2, X, T):
    dZ2 = A2 - T  # backward
    dW2 = 1 / m * dZ2.dot(A1.T)  # backward
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)  # backward
    dZ1 = W2.T.dot(dZ2) * deriv_relu(Z1)  # backward
    dW1 = 1 / m * dZ1.dot(X.T)  # backward
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)  # backward
    return dW1, db1, dW2, db2


W1 = rng.rand(10, 4) - 0.5
b1 = rng.rand(10, 1) - 0.5
W2 = rng.rand(5, 10) - 0.5
b2 = rng.rand(5, 1) - 0.5
T = one_hot(labels, 5)

alpha = 0.1
for i in range(300):
    Z1, A1, Z2, A2 = forward_prop(W1, b1, W2, b2, X)
    dW1, db1, dW2, db2 = backward_prop(Z1, A1, A2, W2, X, T)  # backward
    W1, b1 = W1 - alpha * dW1, b1 - alpha * db1
    W2, b2 = W2 - alpha * dW2, b2 - alpha * db2
    if i % 50 == 0:
        print("Iteration:", i, "accuracy:", np.mean(A2.argmax(axis=0) == labels))
