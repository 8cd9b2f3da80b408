"""The tutorial's network by hand."""

import numpy as np

rng = np.random.default_rng(0)
x, y = rng.standard_normal((64, 1000)), rng.standard_normal((64, 10))
w1, w2 = rng.standard_normal((1000, 100)), rng.standard_normal((100, 10))
for _ in range(500):
    h = x.dot(w1)
    h_relu = np.maximum(h, 0)
    y_pred = h_relu.dot(w2)
    value = np.square(y_pred - y).sum()

    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.T.dot(grad_y_pred)
    grad_h = grad_y_pred.dot(w2.T)
    grad_h[h < 0] = 0
    grad_w1 = x.T.dot(grad_h)

    w1 -= 1e-6 * grad_w1
    w2 -= 1e-6 * grad_w2
print(float(value))
