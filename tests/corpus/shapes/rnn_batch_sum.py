import numpy as np

rng = np.random.RandomState(84)
batch, T, n_in, n_hid = 17, 6, 2, 8
seqs = rng.uniform(-1, 1, (batch, T, n_in))
goal = np.sum(seqs[:, :, 0] * np.linspace(0, 1, T), axis=1, keepdims=True)

U = rng.randn(n_in, n_hid) * 0.5
V = rng.randn(n_hid, n_hid) * 0.3
w = rng.randn(n_hid, 1) * 0.5
b = np.zeros(n_hid)
c = np.zeros(1)


def run(seqs):
    states = [np.zeros((len(seqs), n_hid))]
    for t in range(T):
        states.append(np.tanh(seqs[:, t] @ U + states[-1] @ V + b))
    return states, states[-1] @ w + c


for epoch in range(200):
    states, out = run(seqs)
    loss = 0.5 * np.mean((out - goal) ** 2)

    d_out = (out - goal) / batch  # backward
    gw = states[-1].T @ d_out  # backward
    gc = d_out.sum(axis=0)  # backward
    gU, gV, gb = np.zeros_like(U), np.zeros_like(V), np.zeros_like(b)  # backward
    d_state = d_out @ w.T  # backward
    for t in range(T - 1, -1, -1):
        d_pre = d_state * (1 - states[t + 1] ** 2)  # backward
        gU += seqs[:, t].T @ d_pre  # backward
        gV += states[t].T @ d_pre  # backward
        gb += d_pre.sum(axis=0)  # backward
        d_state = d_pre @ V.T  # backward

    U -= 0.1 * gU
    V -= 0.1 * gV
    b -= 0.1 * gb
    w -= 0.1 * gw
    c -= 0.1 * gc
    if epoch % 50 == 0:
        print("epoch", epoch, "loss", loss)
