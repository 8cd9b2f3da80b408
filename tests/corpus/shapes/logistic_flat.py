import numpy as np

np.random.seed(37)
X = np.random.randn(50, 4)
y = (X[:, 0] - 2 * X[:, 1] + 0.5 * np.random.randn(50) > 0.2).astype(int)


class LogisticRegression:
    def __init__(self, lr=0.1, n_iters=300):
        self.lr = lr
        self.n_iters = n_iters
        self.weights = None
        self.bias = None

    def fit(self, X, y):
        n_samples, n_features = X.shape
        self.weights = np.zeros(n_features)
        self.bias = 0

        for _ in range(self.n_iters):
            linear_pred = np.dot(X, self.weights) + self.bias
            predictions = 1 / (1 + np.exp(-linear_pred))

            dw = (1 / n_samples) * np.dot(X.T, (predictions - y))  # backward
            db = (1 / n_samples) * np.sum(predictions - y)  # backward

            self.weights = self.weights - self.lr * dw
            self.bias = self.bias - self.lr * db

    def predict(self, X):
        y_pred = 1 / (1 + np.exp(-(np.dot(X, self.weights) + self.bias)))
        return np.where(y_pred <= 0.5, 0, 1)


clf = LogisticRegression()
clf.fit(X, y)
print("accuracy", np.mean(clf.predict(X) == y), "bias", clf.bias)
