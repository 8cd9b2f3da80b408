import numpy as np


class ReluClassifier(object):
    def __init__(self, n_features, n_hidden, n_classes, seed=0):
        self.rng = np.random.RandomState(seed)
        self.W_h = self.rng.randn(n_features, n_hidden) * np.sqrt(2.0 / n_features)
        self.b_h = np.zeros(n_hidden)
        self.W_o = self.rng.randn(n_hidden, n_classes) * np.sqrt(2.0 / n_hidden)
        self.b_o = np.zeros(n_classes)

    def scores(self, X):
        self.h = np.maximum(0, X.dot(self.W_h) + self.b_h)
        return self.h.dot(self.W_o) + self.b_o

    def loss_and_gradients(self, X, y, penalty):
        rows = np.arange(len(X))
        s = self.scores(X)
        s = s - np.max(s, axis=1, keepdims=True)
        log_probs = s - np.log(np.sum(np.exp(s), axis=1, keepdims=True))
        loss = -np.mean(log_probs[rows, y])
        loss += penalty * (np.sum(self.W_h ** 2) + np.sum(self.W_o ** 2))

        d_s = np.exp(log_probs)  # backward
        d_s[rows, y] -= 1  # backward
        d_s /= len(X)  # backward
        d_W_o = self.h.T.dot(d_s) + 2 * penalty * self.W_o  # backward
        d_b_o = np.sum(d_s, axis=0)  # backward
        d_h = d_s.dot(self.W_o.T) * (self.h > 0)  # backward
        d_W_h = X.T.dot(d_h) + 2 * penalty * self.W_h  # backward
        d_b_h = np.sum(d_h, axis=0)  # backward
        return loss, (d_W_h, d_b_h, d_W_o, d_b_o)

    def fit(self, X, y, lr=0.2, decay=0.98, penalty=1e-3, epochs=60, batch=20):
        for epoch in range(epochs):
            for _ in range(len(X) // batch):
                pick = self.rng.choice(len(X), batch, replace=False)
                loss, grads = self.loss_and_gradients(X[pick], y[pick], penalty)  # backward
                for p, g in zip((self.W_h, self.b_h, self.W_o, self.b_o), grads):
                    p -= lr * g
            lr *= decay
            if epoch % 20 == 0:
                print("epoch %d: batch loss %.4f, lr %.3f" % (epoch, loss, lr))
        return self

    def predict(self, X):
        return np.argmax(self.scores(X), axis=1)


rng = np.random.RandomState(31)
X = rng.randn(50, 5)
y = np.argmax(X[:, :4] ** 2, axis=1)
clf = ReluClassifier(5, 12, 4).fit(X, y)
print("accuracy:", np.mean(clf.predict(X) == y))
