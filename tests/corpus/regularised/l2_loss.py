import numpy as np

rng = np.random.RandomState(12)
n, d, h, k = 36, 4, 10, 3
X = rng.randn(n, d)
y = np.argmax(X @ rng.randn(d, k) + np.abs(X[:, :k]), axis=1)

step_size = 0.5
reg = 1e-2

W = 0.1 * rng.randn(d, h)
b = np.zeros((1, h))
W2 = 0.1 * rng.randn(h, k)
b2 = np.zeros((1, k))

for i in range(400):
    hidden_layer = np.maximum(0, np.dot(X, W) + b)
    scores = np.dot(hidden_layer, W2) + b2

    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)

    correct_logprobs = -np.log(probs[range(n), y])
    data_loss = np.sum(correct_logprobs) / n
    reg_loss = 0.5 * reg * np.sum(W * W) + 0.5 * reg * np.sum(W2 * W2)
    loss = data_loss + reg_loss
    if i % 100 == 0:
        print("iteration %d: loss %f" % (i, loss))

    dscores = probs  # backward
    dscores[range(n), y] -= 1  # backward
    dscores /= n  # backward

    dW2 = np.dot(hidden_layer.T, dscores)  # backward
    db2 = np.sum(dscores, axis=0, keepdims=True)  # backward
    dhidden = np.dot(dscores, W2.T)  # backward
    dhidden[hidden_layer <= 0] = 0  # backward
    dW = np.dot(X.T, dhidden)  # backward
    db = np.sum(dhidden, axis=0, keepdims=True)  # backward

    dW2 += reg * W2  # backward
    dW += reg * W  # backward

    W += -step_size * dW
    b += -step_size * db
    W2 += -step_size * dW2
    b2 += -step_size * db2
