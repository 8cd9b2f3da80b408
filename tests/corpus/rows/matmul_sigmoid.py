import numpy as np

np.random.seed(100)

X = np.random.random(size=(15, 4))
Y = np.stack([X.max(axis=1), X.min(axis=1), X.mean(axis=1)], axis=1)

W_ih = np.random.normal(scale=1.0, size=(4, 8))
b_h = np.zeros(shape=(8,))
W_ho = np.random.normal(scale=1.0, size=(8, 3))
b_o = np.zeros(shape=(3,))


def activation(x, deriv=False):
    if deriv:
        return x * (1.0 - x)  # backward
    return 1.0 / (1.0 + np.exp(-x))


lr = 0.8
for iteration in range(1, 801):
    hidden_out = activation(np.matmul(X, W_ih) + b_h)
    final_out = activation(np.matmul(hidden_out, W_ho) + b_o)

    output_error = np.subtract(final_out, Y)  # backward
    output_grad = np.multiply(output_error, activation(final_out, deriv=True))  # backward
    hidden_error = np.matmul(output_grad, np.transpose(W_ho))  # backward
    hidden_grad = np.multiply(hidden_error, activation(hidden_out, deriv=True))  # backward

    W_ho = W_ho - lr * np.matmul(np.transpose(hidden_out), output_grad)
    b_o = b_o - lr * np.sum(output_grad, axis=0)
    W_ih = W_ih - lr * np.matmul(np.transpose(X), hidden_grad)
    b_h = b_h - lr * np.sum(hidden_grad, axis=0)

    if iteration % 200 == 0:
        print("Iteration", iteration, "SSE", 0.5 * np.sum((final_out - Y) ** 2))
