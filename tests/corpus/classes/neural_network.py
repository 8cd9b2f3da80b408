import numpy as np


class NeuralNetwork:
    def __init__(self, input_size, hidden_size, output_size, seed=0):
        rng = np.random.RandomState(seed)
        self.W1 = rng.randn(input_size, hidden_size)
        self.b1 = np.zeros((1, hidden_size))
        self.W2 = rng.randn(hidden_size, output_size)
        self.b2 = np.zeros((1, output_size))

    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def sigmoid_derivative(self, a):
        return a * (1 - a)  # backward

    def forward(self, X):
        self.hidden = self.sigmoid(np.dot(X, self.W1) + self.b1)
        self.output = self.sigmoid(np.dot(self.hidden, self.W2) + self.b2)
        return self.output

    def backward(self, X, y, learning_rate):
        output_error = self.output - y  # backward
        output_delta = output_error * self.sigmoid_derivative(self.output)  # backward
        hidden_error = output_delta.dot(self.W2.T)  # backward
        hidden_delta = hidden_error * self.sigmoid_derivative(self.hidden)  # backward

        self.W2 -= learning_rate * self.hidden.T.dot(output_delta)
        self.b2 -= learning_rate * np.sum(output_delta, axis=0, keepdims=True)
        self.W1 -= learning_rate * X.T.dot(hidden_delta)
        self.b1 -= learning_rate * np.sum(hidden_delta, axis=0, keepdims=True)

    def fit(self, X, y, epochs=1000, learning_rate=0.5):
        for epoch in range(epochs):
            self.forward(X)
            self.backward(X, y, learning_rate)  # backward
            if epoch % 200 == 0:
                loss = 0.5 * np.sum((y - self.forward(X)) ** 2)
                print(f"Epoch {epoch}, Loss: {loss:.4f}")


if __name__ == "__main__":
    X = np.random.RandomState(1).rand(16, 3)
    y = np.c_[X.mean(axis=1), X[:, 0] * X[:, 1]]
    nn = NeuralNetwork(3, 5, 2)
    nn.fit(X, y)
    print(np.abs(nn.forward(X) - y).mean())
