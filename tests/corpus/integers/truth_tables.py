import numpy as np

np.random.seed(5)
inputs = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1],
                   [1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]])
# and, or, parity
targets = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 1], [0, 1, 0],
                    [0, 1, 1], [0, 1, 0], [0, 1, 0], [1, 1, 1]])

hidden_weights = np.random.uniform(-1, 1, size=(3, 6))
hidden_bias = np.random.uniform(-1, 1, size=(1, 6))
output_weights = np.random.uniform(-1, 1, size=(6, 3))
output_bias = np.random.uniform(-1, 1, size=(1, 3))
lr = 0.5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(a):
    return a * (1 - a)  # backward


for _ in range(3000):
    hidden_layer_output = sigmoid(np.dot(inputs, hidden_weights) + hidden_bias)
    predicted_output = sigmoid(np.dot(hidden_layer_output, output_weights) + output_bias)

    error = targets - predicted_output  # backward
    d_predicted_output = error * sigmoid_derivative(predicted_output)  # backward
    error_hidden_layer = d_predicted_output.dot(output_weights.T)  # backward
    d_hidden_layer = error_hidden_layer * sigmoid_derivative(hidden_layer_output)  # backward

    output_weights += hidden_layer_output.T.dot(d_predicted_output) * lr
    output_bias += np.sum(d_predicted_output, axis=0, keepdims=True) * lr
    hidden_weights += inputs.T.dot(d_hidden_layer) * lr
    hidden_bias += np.sum(d_hidden_layer, axis=0, keepdims=True) * lr

print("Output from neural network after training:")
print(np.round(predicted_output, 2))
