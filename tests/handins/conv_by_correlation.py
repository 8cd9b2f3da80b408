import numpy as np


def correlate(x, w):
    """x (N, C, H, W), w (F, C, k, k), no padding"""
    n, c, h, wd = x.shape
    f, _, k, _ = w.shape
    out = np.zeros((n, f, h - k + 1, wd - k + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = np.einsum("ncij,fcij->nf", x[:, :, i:i + k, j:j + k], w)
    return out


class Conv2D:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.k = kernel_size
        self.weight = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)

    def forward(self, x):
        self.x = x
        return correlate(x, self.weight)

    def backward(self, dout):
        p = self.k - 1
        dpad = np.pad(dout, ((0, 0), (0, 0), (p, p), (p, p)))
        flipped = self.weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        self.dweight = correlate(self.x.transpose(1, 0, 2, 3), dout.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3)
        return correlate(dpad, flipped)
