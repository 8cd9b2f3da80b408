import numpy as np

np.random.seed(202)
X = np.random.randn(33, 4)
Y = (X[:, :2] * X[:, 2:] > 0).astype(float)

w_hidden = np.random.randn(4, 10) * 0.5
b_hidden = np.zeros((1, 10))
w_out = np.random.randn(10, 2) * 0.5
b_out = np.zeros((1, 2))

initial_lr = 0.8
decay = 0.005

for epoch in range(400):
    lr = initial_lr / (1 + decay * epoch)
    z = X @ w_hidden + b_hidden
    a = np.maximum(z, 0)
    p = 1 / (1 + np.exp(-(a @ w_out + b_out)))
    loss = -np.mean(np.sum(Y * np.log(p) + (1 - Y) * np.log(1 - p), axis=1))

    grad_logits = (p - Y) / len(Y)  # backward
    grad_w_out = a.T @ grad_logits  # backward
    grad_b_out = grad_logits.sum(axis=0, keepdims=True)  # backward
    grad_a = grad_logits @ w_out.T  # backward
    grad_z = np.where(z > 0, grad_a, 0.0)  # backward
    grad_w_hidden = X.T @ grad_z  # backward
    grad_b_hidden = grad_z.sum(axis=0, keepdims=True)  # backward

    w_hidden = w_hidden - lr * grad_w_hidden
    b_hidden = b_hidden - lr * grad_b_hidden
    w_out = w_out - lr * grad_w_out
    b_out = b_out - lr * grad_b_out
    if epoch % 100 == 0:
        print("epoch %d, lr %.3f, loss %.4f" % (epoch, lr, loss))
