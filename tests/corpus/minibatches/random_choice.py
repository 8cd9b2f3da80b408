import numpy as np

np.random.seed(55)
x_train = np.random.rand(60, 6)
t_train = np.eye(4)[np.argmax(x_train[:, :4] + 0.2 * x_train[:, 2:], axis=1)]

iters_num = 300
train_size = x_train.shape[0]
batch_size = 14
learning_rate = 0.5

W1 = 0.3 * np.random.randn(6, 11)
b1 = np.zeros(11)
W2 = 0.3 * np.random.randn(11, 4)
b2 = np.zeros(4)


def softmax(a):
    c = np.max(a, axis=1, keepdims=True)
    e = np.exp(a - c)
    return e / np.sum(e, axis=1, keepdims=True)


def cross_entropy_error(y, t):
    return -np.sum(t * np.log(y + 1e-10)) / y.shape[0]


train_loss_list = []
for i in range(iters_num):
    batch_mask = np.random.choice(train_size, batch_size)
    x_batch = x_train[batch_mask]
    t_batch = t_train[batch_mask]

    z1 = 1 / (1 + np.exp(-(np.dot(x_batch, W1) + b1)))
    y = softmax(np.dot(z1, W2) + b2)

    dy = (y - t_batch) / batch_size  # backward
    grad_W2 = np.dot(z1.T, dy)  # backward
    grad_b2 = np.sum(dy, axis=0)  # backward
    dz1 = np.dot(dy, W2.T)  # backward
    da1 = (1.0 - z1) * z1 * dz1  # backward
    grad_W1 = np.dot(x_batch.T, da1)  # backward
    grad_b1 = np.sum(da1, axis=0)  # backward

    W1 -= learning_rate * grad_W1
    b1 -= learning_rate * grad_b1
    W2 -= learning_rate * grad_W2
    b2 -= learning_rate * grad_b2

    train_loss_list.append(cross_entropy_error(y, t_batch))

print(train_loss_list[0], train_loss_list[-1])
