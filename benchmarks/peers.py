"""The programs that are timed against each other: each function makes `run(steps)` for a workload."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from timeit import repeat
from typing import Any, NamedTuple

import numpy as np

# So small that no unit dies: the velocity of one that dies decays into denormal numbers, which are slow,
# and then the time of a step would depend on how long a program has run.
LR = 1e-12


class Workload(NamedTuple):
    """Linear layers of these widths with ReLU between them, the sum of squares, gradient descent."""

    batch: int
    widths: tuple[int, ...]
    dtype: str = "float64"
    threads: int = 1
    bias: bool = False
    momentum: float = 0.0


Run = Callable[[int], Any]


def arrays(work: Workload) -> tuple[Any, Any, list[Any], list[Any]]:
    """x, y, the weights (in, out), the biases."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(work.dtype)

    weights = [normal(*shape) for shape in pairwise(work.widths)]
    biases = [normal(width) for width in work.widths[1:]] if work.bias else []
    return normal(work.batch, work.widths[0]), normal(work.batch, work.widths[-1]), weights, biases


def handwritten(work: Workload) -> Run:
    """The tutorial's loop; with biases and momentum the three-layer loop in the same style."""
    x, y, weights, biases = arrays(work)
    if not work.bias:
        from minitorch_np import tutorial

        return lambda steps: tutorial.handwritten(x, y, *weights, steps, LR)
    w1, w2, w3 = weights
    b1, b2, b3 = biases
    vw1, vw2, vw3, vb1, vb2, vb3 = (np.zeros_like(p) for p in (w1, w2, w3, b1, b2, b3))
    momentum = work.momentum

    def run(steps: int) -> None:
        nonlocal vw1, vw2, vw3, vb1, vb2, vb3, w1, w2, w3, b1, b2, b3
        losses = []
        for _ in range(steps):
            h1 = x.dot(w1) + b1
            h1_relu = np.maximum(h1, 0)
            h2 = h1_relu.dot(w2) + b2
            h2_relu = np.maximum(h2, 0)
            y_pred = h2_relu.dot(w3) + b3
            losses.append(np.square(y_pred - y).sum())

            grad_y_pred = 2.0 * (y_pred - y)
            grad_w3 = h2_relu.T.dot(grad_y_pred)
            grad_b3 = grad_y_pred.sum(axis=0)
            grad_h2_relu = grad_y_pred.dot(w3.T)
            grad_h2 = grad_h2_relu.copy()
            grad_h2[h2 < 0] = 0
            grad_w2 = h1_relu.T.dot(grad_h2)
            grad_b2 = grad_h2.sum(axis=0)
            grad_h1_relu = grad_h2.dot(w2.T)
            grad_h1 = grad_h1_relu.copy()
            grad_h1[h1 < 0] = 0
            grad_w1 = x.T.dot(grad_h1)
            grad_b1 = grad_h1.sum(axis=0)

            vw1 = momentum * vw1 + grad_w1
            vb1 = momentum * vb1 + grad_b1
            vw2 = momentum * vw2 + grad_w2
            vb2 = momentum * vb2 + grad_b2
            vw3 = momentum * vw3 + grad_w3
            vb3 = momentum * vb3 + grad_b3
            w1 -= LR * vw1
            b1 -= LR * vb1
            w2 -= LR * vw2
            b2 -= LR * vb2
            w3 -= LR * vw3
            b3 -= LR * vb3

    return run


def minitorch_np(work: Workload) -> Run:
    """This framework."""
    import minitorch_np as mt

    x, y, weights, biases = arrays(work)
    layers: list[mt.Layer] = []
    for i, weight in enumerate(weights):
        linear = mt.Linear(*weight.shape, bias=work.bias, dtype=work.dtype)
        linear.weight.data = weight
        if linear.bias is not None:
            linear.bias.data = biases[i]
        layers += [linear, mt.ReLU()]
    model, loss = mt.Sequential(layers[:-1]), mt.SquaredLoss()
    optimizer = mt.SGD(model.parameters(), lr=LR, momentum=work.momentum)

    def run(steps: int) -> None:
        losses = []
        for _ in range(steps):
            losses.append(loss(model(x), y))
            model.backward(loss.backward())
            optimizer.step()

    return run


def floor(work: Workload) -> Run:
    """Only the matrix products of a step, each into a kept array, by the quicker of NumPy's functions."""
    x, dy, weights, _ = arrays(work)
    products = []
    kept = [x]
    for weight in weights:
        y = np.empty((work.batch, weight.shape[1]), work.dtype)
        products.append((kept[-1], weight, y))
        kept.append(y)
    for weight, h in zip(weights[::-1], kept[-2::-1], strict=True):
        products.append((h.T, dy, np.empty_like(weight)))
        if h is not x:
            dx = np.empty_like(h)
            products.append((dy, weight.T, dx))
            dy = dx
    timed = [(quicker(a, b, out), a, b, out) for a, b, out in products]

    def run(steps: int) -> None:
        for _ in range(steps):
            for function, a, b, out in timed:
                function(a, b, out=out)

    return run


def quicker(a: Any, b: Any, out: Any) -> Callable[..., Any]:
    """np.dot or np.matmul, whichever writes this product sooner."""
    functions = (np.dot, np.matmul)
    return min(
        functions, key=lambda function: min(repeat(lambda: function(a, b, out=out), number=3, repeat=15))
    )


def torch_eager(work: Workload) -> Run:
    """nn.Sequential, MSELoss, optim.SGD."""
    import torch

    torch.set_num_threads(work.threads)
    dtype = getattr(torch, work.dtype)
    x, y, weights, biases = arrays(work)
    layers: list[Any] = []
    for i, weight in enumerate(weights):
        linear = torch.nn.Linear(*weight.shape, bias=work.bias, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            if work.bias:
                linear.bias.copy_(torch.from_numpy(biases[i]))
        layers += [linear, torch.nn.ReLU()]
    model, loss = torch.nn.Sequential(*layers[:-1]), torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=work.momentum)
    tx, ty = torch.from_numpy(x), torch.from_numpy(y)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            value = loss(model(tx), ty)
            value.backward()
            optimizer.step()
            value.item()

    return run


def torch_handwritten(work: Workload) -> Run:
    """The tutorial's loop on torch tensors."""
    import torch

    torch.set_num_threads(work.threads)
    x, y, weights, _ = arrays(work)
    x, y, w1, w2 = (torch.from_numpy(a) for a in (x, y, *weights))

    def run(steps: int) -> None:
        for _ in range(steps):
            h = x.mm(w1)
            h_relu = h.clamp(min=0)
            y_pred = h_relu.mm(w2)
            (y_pred - y).pow(2).sum().item()

            grad_y_pred = 2.0 * (y_pred - y)
            grad_w2 = h_relu.t().mm(grad_y_pred)
            grad_h_relu = grad_y_pred.mm(w2.t())
            grad_h = grad_h_relu.clone()
            grad_h[h < 0] = 0
            grad_w1 = x.t().mm(grad_h)

            w1.sub_(LR * grad_w1)
            w2.sub_(LR * grad_w2)

    return run


def scikit_learn(work: Workload) -> Run:
    """MLPRegressor, a full batch at each partial_fit; it always has biases and averages its loss."""
    from sklearn.neural_network import MLPRegressor

    x, y, _, _ = arrays(work)
    target = y.ravel() if y.shape[1] == 1 else y
    options = {"solver": "sgd", "alpha": 0.0, "momentum": work.momentum, "nesterovs_momentum": False}
    model = MLPRegressor(
        hidden_layer_sizes=work.widths[1:-1],
        batch_size=work.batch,
        learning_rate_init=LR,
        shuffle=False,
        **options,
    )

    def run(steps: int) -> None:
        for _ in range(steps):
            model.partial_fit(x, target)

    return run
