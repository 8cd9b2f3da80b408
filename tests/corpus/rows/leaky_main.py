import numpy as np

SLOPE = 0.1


def leaky(z):
    return np.where(z > 0, z, SLOPE * z)


def d_leaky(z):
    return np.where(z > 0, 1.0, SLOPE)  # backward


def main():
    rng = np.random.default_rng(31)
    x_train = rng.uniform(-1, 1, size=(35, 4))
    y_train = (x_train[:, [0]] - x_train[:, [1]] * x_train[:, [2]] > 0) * 1.0

    fc1_w, fc1_b = rng.normal(0, 0.5, (4, 13)), np.zeros(13)
    fc2_w, fc2_b = rng.normal(0, 0.5, (13, 6)), np.zeros(6)
    out_w, out_b = rng.normal(0, 0.5, (6, 1)), np.zeros(1)
    lr = 0.5

    for epoch in range(400):
        # forward
        z1 = x_train @ fc1_w + fc1_b
        a1 = leaky(z1)
        z2 = a1 @ fc2_w + fc2_b
        a2 = leaky(z2)
        y_hat = 1.0 / (1.0 + np.exp(-(a2 @ out_w + out_b)))
        loss = -(y_train * np.log(y_hat) + (1 - y_train) * np.log(1 - y_hat)).mean()

        g_out = (y_hat - y_train) / len(x_train)  # backward
        g_out_w = a2.T @ g_out  # backward
        g_out_b = g_out.sum(0)  # backward
        g2 = g_out @ out_w.T * d_leaky(z2)  # backward
        g_fc2_w = a1.T @ g2  # backward
        g_fc2_b = g2.sum(0)  # backward
        g1 = g2 @ fc2_w.T * d_leaky(z1)  # backward
        g_fc1_w = x_train.T @ g1  # backward
        g_fc1_b = g1.sum(0)  # backward

        out_w -= lr * g_out_w
        out_b -= lr * g_out_b
        fc2_w -= lr * g_fc2_w
        fc2_b -= lr * g_fc2_b
        fc1_w -= lr * g_fc1_w
        fc1_b -= lr * g_fc1_b

        if epoch % 100 == 0:
            print(f"[{epoch}] {loss:.4f}")
    print("train accuracy", ((y_hat > 0.5) == y_train).mean())


main()
