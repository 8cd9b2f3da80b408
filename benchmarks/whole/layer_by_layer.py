"""The tutorial's network with minitorch_np."""

import numpy as np

from minitorch_np import SGD, Linear, ReLU, Sequential, SquaredLoss

rng = np.random.default_rng(0)
x, y = rng.standard_normal((64, 1000)), rng.standard_normal((64, 10))
model = Sequential(
    Linear(1000, 100, bias=False, init="standard_normal", rng=rng),
    ReLU(),
    Linear(100, 10, bias=False, init="standard_normal", rng=rng),
)
loss = SquaredLoss()
optimizer = SGD(model.parameters(), lr=1e-6)
for _ in range(500):
    value = loss(model(x), y)
    model.backward(loss.backward())
    optimizer.step()
print(float(value))
