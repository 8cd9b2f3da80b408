import numpy as np

np.random.seed(42)
x = np.linspace(0, 4, 30)
y = 2.5 * x - 1.0 + np.random.normal(0, 0.3, 30)

m = 0.0
b = 0
L = 0.05
epochs = 200
n = float(len(x))

for i in range(epochs):
    y_pred = m * x + b
    D_m = (-2 / n) * sum(x * (y - y_pred))  # backward
    D_b = (-2 / n) * sum(y - y_pred)  # backward
    m = m - L * D_m
    b = b - L * D_b
    if i % 50 == 0:
        print("mse", np.mean((y - y_pred) ** 2))

print(m, b)
