import numpy as np

rng = np.random.RandomState(6)
X = rng.randn(48, 2)
y = (np.hypot(X[:, 0], X[:, 1]) > 1).astype(int) + (X[:, 0] > 1)


def class_scores(model, X):
    a1 = np.tanh(X.dot(model["W1"]) + model["b1"])
    z2 = a1.dot(model["W2"]) + model["b2"]
    return a1, z2


def softmax(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def calculate_loss(model, X, y, reg):
    _, z2 = class_scores(model, X)
    nll = -np.log(softmax(z2)[range(len(y)), y])
    return np.mean(nll) + reg / 2 * sum(np.sum(np.square(model[k])) for k in ("W1", "W2"))


def gradient_step(model, X, y, reg, epsilon):
    a1, z2 = class_scores(model, X)
    delta3 = softmax(z2)  # backward
    delta3[range(len(y)), y] -= 1  # backward
    delta3 /= len(y)  # backward
    dW2 = (a1.T).dot(delta3)  # backward
    db2 = np.sum(delta3, axis=0, keepdims=True)  # backward
    delta2 = delta3.dot(model["W2"].T) * (1 - np.power(a1, 2))  # backward
    dW1 = np.dot(X.T, delta2)  # backward
    db1 = np.sum(delta2, axis=0, keepdims=True)  # backward
    dW2 += reg * model["W2"]  # backward
    dW1 += reg * model["W1"]  # backward

    return {
        "W1": model["W1"] - epsilon * dW1,
        "b1": model["b1"] - epsilon * db1,
        "W2": model["W2"] - epsilon * dW2,
        "b2": model["b2"] - epsilon * db2,
    }


model = {"W1": rng.randn(2, 7), "b1": np.zeros((1, 7)), "W2": rng.randn(7, 3) * 0.4, "b2": np.zeros((1, 3))}
for i in range(400):
    model = gradient_step(model, X, y, reg=0.002, epsilon=0.8)
    if i % 100 == 0:
        print("Loss after iteration %i: %f" % (i, calculate_loss(model, X, y, 0.002)))
