import numpy as np


class Layer:
    input = None


class Dense(Layer):
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size) * 0.6
        self.bias = np.zeros((output_size, 1))

    def forward(self, x):
        self.input = x
        return np.dot(self.weights, x) + self.bias

    def backward(self, output_gradient, learning_rate):
        weights_gradient = np.dot(output_gradient, self.input.T)  # backward
        bias_gradient = np.sum(output_gradient, axis=1, keepdims=True)  # backward
        input_gradient = np.dot(self.weights.T, output_gradient)  # backward
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * bias_gradient
        return input_gradient


class Activation(Layer):
    def __init__(self, f, f_prime):
        self.f, self.f_prime = f, f_prime

    def forward(self, x):
        self.input = x
        return self.f(x)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.f_prime(self.input))  # backward


class Tanh(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)  # backward


np.random.seed(15)
X = np.random.uniform(-1, 1, (2, 20))
Y = np.sign(X[:1] * X[1:])
network = [Dense(2, 6), Tanh(), Dense(6, 4), Tanh(), Dense(4, 1), Tanh()]

for e in range(600):
    output = X
    for layer in network:
        output = layer.forward(output)
    error = np.mean(np.power(Y - output, 2))
    grad = 2 * (output - Y) / np.size(Y)  # backward
    for layer in reversed(network):
        grad = layer.backward(grad, 0.2)  # backward
    if (e + 1) % 150 == 0:
        print("%d/%d, error=%f" % (e + 1, 600, error))
