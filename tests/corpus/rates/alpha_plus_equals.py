import numpy as np

alpha = 0.02
np.random.seed(1)
switches = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]])
lamp = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [0, 1], [1, 1]])


def relu(x):
    return x * (x > 0)


def relu_slope(out):
    return out > 0  # backward


w_in = np.random.uniform(-1, 1, (4, 9))
w_out = np.random.uniform(-1, 1, (9, 2))

for sweep in range(300):
    middle = relu(switches.dot(w_in))
    guess = middle.dot(w_out)

    miss = lamp - guess  # backward
    guess_delta = 2 * miss  # backward
    middle_delta = guess_delta.dot(w_out.T) * relu_slope(middle)  # backward

    w_out += alpha * middle.T.dot(guess_delta)
    w_in += alpha * switches.T.dot(middle_delta)
    if sweep % 60 == 0:
        print("sweep", sweep, "squared error", np.sum((lamp - guess) ** 2))
