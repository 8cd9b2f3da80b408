import numpy as np

np.random.seed(41)
samples = np.random.uniform(-1, 1, size=(16, 3))
answers = np.hstack([samples.sum(axis=1, keepdims=True) ** 2 / 3, samples[:, :1] * samples[:, 1:2]])

wi = np.random.randn(8, 3) * 0.6
bi = np.zeros((8, 1))
wm = np.random.randn(5, 8) * 0.5
bm = np.zeros((5, 1))
wo = np.random.randn(2, 5) * 0.5
bo = np.zeros((2, 1))
learn_rate = 0.05

for epoch in range(80):
    total = 0
    for x, t in zip(samples, answers):
        x, t = x.reshape(-1, 1), t.reshape(-1, 1)
        h1 = np.tanh(wi @ x + bi)
        h2 = np.tanh(wm @ h1 + bm)
        o = wo @ h2 + bo
        total += 0.5 * float(np.sum((o - t) ** 2))

        delta_o = o - t  # backward
        delta_m = wo.T @ delta_o * (1 - h2 ** 2)  # backward
        delta_i = wm.T @ delta_m * (1 - h1 ** 2)  # backward

        wo += -learn_rate * delta_o @ h2.T
        bo += -learn_rate * delta_o
        wm += -learn_rate * delta_m @ h1.T
        bm += -learn_rate * delta_m
        wi += -learn_rate * delta_i @ x.T
        bi += -learn_rate * delta_i
    if epoch % 20 == 0:
        print(f"epoch {epoch} error {total:.4f}")
