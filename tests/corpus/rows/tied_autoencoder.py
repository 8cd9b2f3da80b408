import numpy as np

np.random.seed(77)
n_samples, n_visible, n_hidden = 20, 8, 3
basis = np.random.rand(3, n_visible)
X = np.random.rand(n_samples, 3) @ basis / 3

W = 0.5 * np.random.randn(n_visible, n_hidden)
b_enc = np.zeros(n_hidden)
b_dec = np.zeros(n_visible)
lr = 0.5


def sig(t):
    return 1 / (1 + np.exp(-t))


for it in range(600):
    code = sig(X @ W + b_enc)
    recon = sig(code @ W.T + b_dec)
    err = 0.5 * np.sum((recon - X) ** 2) / n_samples

    d_recon = (recon - X) / n_samples  # backward
    d_z2 = d_recon * recon * (1 - recon)  # backward
    d_code = d_z2 @ W  # backward
    d_z1 = d_code * code * (1 - code)  # backward
    d_W = X.T @ d_z1 + d_z2.T @ code  # backward
    d_b_enc = d_z1.sum(axis=0)  # backward
    d_b_dec = d_z2.sum(axis=0)  # backward

    W -= lr * d_W
    b_enc -= lr * d_b_enc
    b_dec -= lr * d_b_dec
    if it % 150 == 0:
        print("reconstruction error", err)
