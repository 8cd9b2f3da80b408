import numpy as np

np.random.seed(19)
m = 38
X = np.random.randn(4, m)
y = np.zeros((3, m))
y[np.argmax(X[:3] + X[3], axis=0), np.arange(m)] = 1


def add_ones(A):
    return np.vstack([np.ones((1, A.shape[1])), A])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


Theta1 = np.random.uniform(-0.5, 0.5, (7, 5))
Theta2 = np.random.uniform(-0.5, 0.5, (3, 8))
alpha = 1.0

for i in range(300):
    a1 = add_ones(X)
    z2 = Theta1.dot(a1)
    a2 = add_ones(sigmoid(z2))
    z3 = Theta2.dot(a2)
    h = sigmoid(z3)
    J = (-y * np.log(h) - (1 - y) * np.log(1 - h)).sum() / m

    delta3 = h - y  # backward
    delta2 = Theta2[:, 1:].T.dot(delta3) * sigmoid(z2) * (1 - sigmoid(z2))  # backward
    Theta2_grad = delta3.dot(a2.T) / m  # backward
    Theta1_grad = delta2.dot(a1.T) / m  # backward

    Theta1 -= alpha * Theta1_grad
    Theta2 -= alpha * Theta2_grad

    if i % 100 == 0:
        print("J =", J)
