import numpy as np
class Pooling:
    def __init__(self, pool_h, pool_w, stride=2):
        self.pool_h, self.pool_w, self.stride = pool_h, pool_w, stride
    def forward(self, x):
        N, C, H, W = x.shape
        oh, ow = 1 + (H - self.pool_h) // self.stride, 1 + (W - self.pool_w) // self.stride
        out = np.zeros((N, C, oh, ow))
        for i in range(oh):
            for j in range(ow):
                hs, ws = i * self.stride, j * self.stride
                out[:, :, i, j] = x[:, :, hs:hs + self.pool_h, ws:ws + self.pool_w].max(axis=(2, 3))
        self.x = x
        return out
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        N, C, oh, ow = dout.shape
        for n in range(N):
            for c in range(C):
                for i in range(oh):
                    for j in range(ow):
                        hs, ws = i * self.stride, j * self.stride
                        window = self.x[n, c, hs:hs + self.pool_h, ws:ws + self.pool_w]
                        a, b = np.unravel_index(np.argmax(window), window.shape)
                        dx[n, c, hs + a, ws + b] += dout[n, c, i, j]
        return dx
