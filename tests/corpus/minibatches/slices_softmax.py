import numpy as np

rng = np.random.default_rng(0)
n_samples, n_features, n_hidden, n_classes = 54, 6, 10, 4
X = rng.standard_normal((n_samples, n_features))
y = np.argmax(X[:, :n_classes] + 0.3 * X[:, 2:6], axis=1)

W1 = rng.standard_normal((n_features, n_hidden)) / np.sqrt(n_features)
b1 = np.zeros((1, n_hidden))
W2 = rng.standard_normal((n_hidden, n_classes)) / np.sqrt(n_hidden)
b2 = np.zeros((1, n_classes))

epochs = 40
bs = 12
eta = 0.2

for epoch in range(epochs):
    shuffle = rng.permutation(n_samples)
    X, y = X[shuffle], y[shuffle]
    losses = []
    for i in range(0, n_samples, bs):
        X_batch = X[i:i + bs]
        y_batch = y[i:i + bs]
        k = X_batch.shape[0]

        hidden = np.tanh(X_batch @ W1 + b1)
        scores = hidden @ W2 + b2
        scores = scores - scores.max(axis=1, keepdims=True)
        probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        losses.append(-np.log(probs[np.arange(k), y_batch]).mean())

        dscores = probs.copy()  # backward
        dscores[np.arange(k), y_batch] -= 1  # backward
        dscores /= k  # backward
        dW2 = hidden.T @ dscores  # backward
        db2 = dscores.sum(axis=0, keepdims=True)  # backward
        dhidden = dscores @ W2.T  # backward
        dhidden *= 1 - hidden ** 2  # backward
        dW1 = X_batch.T @ dhidden  # backward
        db1 = dhidden.sum(axis=0, keepdims=True)  # backward

        W2 += -eta * dW2
        b2 += -eta * db2
        W1 += -eta * dW1
        b1 += -eta * db1
    if (epoch + 1) % 10 == 0:
        print(f"Epoch {epoch + 1}/{epochs} - loss: {np.mean(losses):.4f}")
