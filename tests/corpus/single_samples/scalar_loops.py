import math
import random

import numpy as np

random.seed(1)
n_in, n_hidden, n_out = 3, 5, 2
X = np.random.RandomState(0).uniform(-1, 1, (14, 3))
T = [[0.9, 0.1] if a * b > 0 else [0.1, 0.9] for a, b, c in X]

w_ih = [[random.uniform(-1, 1) for j in range(n_hidden)] for i in range(n_in)]
w_ho = [[random.uniform(-1, 1) for k in range(n_out)] for j in range(n_hidden)]
b_h = [0.0] * n_hidden
b_o = [0.0] * n_out
rate = 0.5


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


for epoch in range(150):
    error = 0.0
    for x, t in zip(X, T):
        hidden = [sigmoid(sum(x[i] * w_ih[i][j] for i in range(n_in)) + b_h[j]) for j in range(n_hidden)]
        output = [sigmoid(sum(hidden[j] * w_ho[j][k] for j in range(n_hidden)) + b_o[k]) for k in range(n_out)]
        error += sum(0.5 * (t[k] - output[k]) ** 2 for k in range(n_out))

        output_deltas = [0.0] * n_out  # backward
        for k in range(n_out):
            output_deltas[k] = (t[k] - output[k]) * output[k] * (1 - output[k])  # backward
        hidden_deltas = [0.0] * n_hidden  # backward
        for j in range(n_hidden):
            err = 0.0  # backward
            for k in range(n_out):
                err += output_deltas[k] * w_ho[j][k]  # backward
            hidden_deltas[j] = err * hidden[j] * (1 - hidden[j])  # backward

        for j in range(n_hidden):
            for k in range(n_out):
                w_ho[j][k] += rate * output_deltas[k] * hidden[j]
        for k in range(n_out):
            b_o[k] += rate * output_deltas[k]
        for i in range(n_in):
            for j in range(n_hidden):
                w_ih[i][j] += rate * hidden_deltas[j] * x[i]
        for j in range(n_hidden):
            b_h[j] += rate * hidden_deltas[j]
    if epoch % 50 == 0:
        print("error %.5f" % error)
