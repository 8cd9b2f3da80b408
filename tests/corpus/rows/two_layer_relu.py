import numpy as np

np.random.seed(0)

x = np.random.randn(24, 5)
y = np.column_stack([np.abs(x[:, 0]), x[:, 1] * x[:, 2], x[:, 3] - x[:, 4]])

# layer widths 5 -> 9 -> 3
w1, b1 = np.random.randn(5, 9) * 0.4, np.zeros(9)
w2, b2 = np.random.randn(9, 3) * 0.4, np.zeros(3)

learning_rate = 2e-3
for step in range(500):
    pre = x @ w1 + b1
    hid = np.maximum(pre, 0)
    y_pred = hid @ w2 + b2
    residual = y_pred - y
    loss = np.square(residual).sum()

    grad_y_pred = 2.0 * residual  # backward
    grad_w2 = hid.T @ grad_y_pred  # backward
    grad_b2 = grad_y_pred.sum(axis=0)  # backward
    grad_hid = grad_y_pred @ w2.T  # backward
    grad_hid[pre < 0] = 0  # backward
    grad_w1 = x.T @ grad_hid  # backward
    grad_b1 = grad_hid.sum(axis=0)  # backward

    w1 -= learning_rate * grad_w1
    b1 -= learning_rate * grad_b1
    w2 -= learning_rate * grad_w2
    b2 -= learning_rate * grad_b2

    if step % 100 == 0:
        print(step, loss)
