import numpy as np

np.random.seed(44)
X = np.random.randn(5, 50)
Y = (X[:1] + X[1:2] * X[2:3] > 0).astype(float)
m = X.shape[1]

W1 = np.random.randn(8, 5) * np.sqrt(1 / 5)
b1 = np.zeros((8, 1))
W2 = np.random.randn(1, 8) * np.sqrt(1 / 8)
b2 = np.zeros((1, 1))


def random_mini_batches(X, Y, size):
    order = np.random.permutation(X.shape[1])
    Xs, Ys = X[:, order], Y[:, order]
    return [(Xs[:, k:k + size], Ys[:, k:k + size]) for k in range(0, X.shape[1], size)]


for epoch in range(100):
    epoch_cost = 0
    for mini_X, mini_Y in random_mini_batches(X, Y, 16):
        mb = mini_X.shape[1]
        Z1 = W1 @ mini_X + b1
        A1 = np.maximum(0, Z1)
        A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
        cost = -np.sum(mini_Y * np.log(A2) + (1 - mini_Y) * np.log(1 - A2)) / mb
        epoch_cost += cost * mb / m

        dZ2 = A2 - mini_Y  # backward
        dW2 = dZ2 @ A1.T / mb  # backward
        db2 = dZ2.sum(axis=1, keepdims=True) / mb  # backward
        dA1 = W2.T @ dZ2  # backward
        dZ1 = np.array(dA1, copy=True)  # backward
        dZ1[Z1 <= 0] = 0  # backward
        dW1 = dZ1 @ mini_X.T / mb  # backward
        db1 = dZ1.sum(axis=1, keepdims=True) / mb  # backward

        W1 -= 0.2 * dW1
        b1 -= 0.2 * db1
        W2 -= 0.2 * dW2
        b2 -= 0.2 * db2
    if epoch % 20 == 0:
        print("Cost after epoch %i: %f" % (epoch, epoch_cost))
