import numpy as np

np.random.seed(16)
X = np.random.randn(32, 4)
y = (X[:, 0] * X[:, 1] + np.cos(X[:, 2])).reshape(-1, 1)
m = len(y)

params = [np.random.randn(4, 9) * 0.5, np.zeros((1, 9)),
          np.random.randn(9, 6) * 0.4, np.zeros((1, 6)),
          np.random.randn(6, 1) * 0.4, np.zeros((1, 1))]


def model(X):
    W1, b1, W2, b2, W3, b3 = params
    A1 = np.tanh(X.dot(W1) + b1)
    A2 = np.tanh(A1.dot(W2) + b2)
    return A1, A2, A2.dot(W3) + b3


def mean_squared_error(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2)


for epoch in range(400):
    A1, A2, y_hat = model(X)
    dZ3 = 2 * (y_hat - y)  # backward
    dW3 = A2.T.dot(dZ3) / m  # backward
    db3 = np.sum(dZ3, axis=0, keepdims=True) / m  # backward
    dZ2 = dZ3.dot(params[4].T) * (1 - A2 ** 2)  # backward
    dW2 = A1.T.dot(dZ2) / m  # backward
    db2 = np.sum(dZ2, axis=0, keepdims=True) / m  # backward
    dZ1 = dZ2.dot(params[2].T) * (1 - A1 ** 2)  # backward
    dW1 = X.T.dot(dZ1) / m  # backward
    db1 = np.sum(dZ1, axis=0, keepdims=True) / m  # backward

    grads = [dW1, db1, dW2, db2, dW3, db3]
    params = [p - 0.1 * g for p, g in zip(params, grads)]
    if epoch % 100 == 0:
        print("Loss: \n" + str(mean_squared_error(y, model(X)[-1])))
