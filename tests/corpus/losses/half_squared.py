import numpy as np

np.random.seed(4)
inputs = np.random.randn(20, 3)
targets = np.stack([np.tanh(inputs[:, 0]), inputs[:, 1] * inputs[:, 2]], axis=1)

w_h = np.random.randn(3, 7) * 0.6
b_h = np.zeros(7)
w_o = np.random.randn(7, 2) * 0.6
b_o = np.zeros(2)


def predict(x):
    return np.tanh(x @ w_h + b_h) @ w_o + b_o


for step in range(1, 301):
    hidden = np.tanh(inputs @ w_h + b_h)
    output = hidden @ w_o + b_o

    d_output = output - targets  # backward
    d_w_o = hidden.T @ d_output  # backward
    d_b_o = d_output.sum(axis=0)  # backward
    d_hidden = d_output @ w_o.T  # backward
    d_pre = d_hidden * (1 - hidden ** 2)  # backward
    d_w_h = inputs.T @ d_pre  # backward
    d_b_h = d_pre.sum(axis=0)  # backward

    w_o -= 0.01 * d_w_o
    b_o -= 0.01 * d_b_o
    w_h -= 0.01 * d_w_h
    b_h -= 0.01 * d_b_h

    loss = 0.5 * np.sum((predict(inputs) - targets) ** 2)
    if step % 100 == 0:
        print("step", step, "loss", loss)
