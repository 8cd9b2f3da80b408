import numpy as np


class MLP:
    def __init__(self, *sizes, lr=0.1):
        rng = np.random.default_rng(2024)
        self.weights = [rng.normal(0, np.sqrt(1 / n), (n, m)) for n, m in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.zeros(m) for m in sizes[1:]]
        self.lr = lr

    @staticmethod
    def softmax(s):
        e = np.exp(s - s.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, x):
        self.activations = [x]
        for i in range(len(self.weights)):
            s = self.activations[i] @ self.weights[i] + self.biases[i]
            last = i == len(self.weights) - 1
            self.activations.append(self.softmax(s) if last else np.tanh(s))
        return self.activations[-1]

    def train_step(self, x, onehot):
        probs = self.forward(x)
        delta = (probs - onehot) / x.shape[0]  # backward
        grads_w, grads_b = [], []
        for i in reversed(range(len(self.weights))):
            grads_w.append(self.activations[i].T @ delta)  # backward
            grads_b.append(delta.sum(axis=0))  # backward
            if i:
                delta = (delta @ self.weights[i].T) * (1 - self.activations[i] ** 2)  # backward
        grads_w.reverse()
        grads_b.reverse()
        for i in range(len(self.weights)):
            self.weights[i] -= self.lr * grads_w[i]
            self.biases[i] -= self.lr * grads_b[i]
        return -np.mean(np.sum(onehot * np.log(probs), axis=1))

    def fit(self, x, y, epochs):
        onehot = np.eye(y.max() + 1)[y]
        self.history = [self.train_step(x, onehot) for _ in range(epochs)]
        return self


rng = np.random.default_rng(1)
x = rng.normal(size=(42, 4))
y = (x[:, 0] > 0).astype(int) + (x[:, 1] + x[:, 2] > 0)
model = MLP(4, 10, 6, 3, lr=0.3).fit(x, y, 300)
print(model.history[0], "->", model.history[-1])
print("acc", np.mean(model.forward(x).argmax(axis=1) == y))
