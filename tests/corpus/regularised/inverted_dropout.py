import numpy as np

rng = np.random.default_rng(123)
X = rng.normal(size=(40, 5))
y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]

keep_prob = 0.8
W1, b1 = rng.normal(0, 0.5, (5, 12)), np.zeros(12)
W2, b2 = rng.normal(0, 0.3, (12, 8)), np.zeros(8)
W3, b3 = rng.normal(0, 0.3, (8, 1)), np.zeros(1)
lr = 0.05

for epoch in range(300):
    z1 = X @ W1 + b1
    a1 = np.maximum(z1, 0)
    mask1 = (rng.random(a1.shape) < keep_prob) / keep_prob
    a1 = a1 * mask1
    a2 = np.tanh(a1 @ W2 + b2)
    mask2 = (rng.random(a2.shape) < keep_prob) / keep_prob
    d2 = a2 * mask2
    out = d2 @ W3 + b3
    loss = np.mean((out - y) ** 2)

    grad_out = 2 * (out - y) / len(X)  # backward
    grad_W3 = d2.T @ grad_out  # backward
    grad_b3 = grad_out.sum(axis=0)  # backward
    grad_d2 = grad_out @ W3.T  # backward
    grad_z2 = grad_d2 * mask2 * (1 - a2 ** 2)  # backward
    grad_W2 = a1.T @ grad_z2  # backward
    grad_b2 = grad_z2.sum(axis=0)  # backward
    grad_a1 = grad_z2 @ W2.T * mask1  # backward
    grad_z1 = grad_a1 * (z1 > 0)  # backward
    grad_W1 = X.T @ grad_z1  # backward
    grad_b1 = grad_z1.sum(axis=0)  # backward

    for p, g in ((W1, grad_W1), (b1, grad_b1), (W2, grad_W2), (b2, grad_b2), (W3, grad_W3), (b3, grad_b3)):
        p -= lr * g
    if epoch % 100 == 0:
        print(epoch, loss)

pred = np.tanh(np.maximum(X @ W1 + b1, 0) @ W2 + b2) @ W3 + b3
print("test-time mse", np.mean((pred - y) ** 2))
