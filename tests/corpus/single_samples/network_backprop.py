import numpy as np


class Perceptrons:
    """sigmoid net that sees one column vector at a time"""

    def __init__(self, layout, seed):
        r = np.random.RandomState(seed)
        self.depth = len(layout) - 1
        self.w = [r.randn(layout[k + 1], layout[k]) / np.sqrt(layout[k]) for k in range(self.depth)]
        self.b = [np.zeros((layout[k + 1], 1)) for k in range(self.depth)]

    def outputs(self, x):
        outs = [x]
        for k in range(self.depth):
            outs.append(1.0 / (1.0 + np.exp(-(self.w[k].dot(outs[k]) + self.b[k]))))
        return outs

    def backprop(self, outs, target):
        nabla_w, nabla_b = [0] * self.depth, [0] * self.depth
        delta = (outs[-1] - target) * outs[-1] * (1 - outs[-1])  # backward
        for k in range(self.depth - 1, -1, -1):
            nabla_b[k] = delta  # backward
            nabla_w[k] = delta.dot(outs[k].T)  # backward
            if k:
                delta = self.w[k].T.dot(delta) * outs[k] * (1 - outs[k])  # backward
        return nabla_w, nabla_b

    def train_batch(self, batch, eta):
        sum_w = [np.zeros(w.shape) for w in self.w]  # backward
        sum_b = [np.zeros(b.shape) for b in self.b]  # backward
        for x, target in batch:
            nabla_w, nabla_b = self.backprop(self.outputs(x), target)  # backward
            for k in range(self.depth):
                sum_w[k] += nabla_w[k]  # backward
                sum_b[k] += nabla_b[k]  # backward
        for k in range(self.depth):
            self.w[k] -= eta / len(batch) * sum_w[k]
            self.b[k] -= eta / len(batch) * sum_b[k]

    def cost(self, pairs):
        return sum(0.5 * np.sum((self.outputs(x)[-1] - t) ** 2) for x, t in pairs)


rng = np.random.RandomState(18)
pairs = []
for x in rng.randn(30, 4, 1):
    pairs.append((x, np.array([[1.0 if x[0, 0] > x[1, 0] else 0.0], [1.0 if x[2, 0] > x[3, 0] else 0.0]])))

net = Perceptrons([4, 7, 5, 2], seed=0)
for epoch in range(40):
    order = rng.permutation(30)
    for j in range(0, 30, 6):
        net.train_batch([pairs[i] for i in order[j:j + 6]], eta=3.0)
    if epoch % 10 == 0:
        print("epoch", epoch, "cost", net.cost(pairs))
