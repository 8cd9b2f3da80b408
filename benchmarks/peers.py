"""The programs that are timed against each other: each function makes `run(steps)` for a workload."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import pairwise, repeat, zip_longest
from timeit import repeat as timed_often
from typing import Any, NamedTuple

import handwritten as by_hand
import numpy as np

# So small that no unit dies: the velocity of one that dies decays into denormal numbers, which are slow,
# and then the time of a step would depend on how long a program has run.
LR = 1e-12


class Workload(NamedTuple):
    """Linear layers of these widths with ReLU between them, a loss, an optimizer; or a layer, or an example."""

    batch: int
    widths: tuple[int, ...]
    dtype: str = "float64"
    threads: int = 1
    bias: bool = False
    momentum: float = 0.0
    optimizer: str = "SGD"
    loss: str = "SquaredLoss"
    layer: str = "ReLU()"


Run = Callable[[int], Any]


def arrays(work: Workload) -> tuple[Any, Any, list[Any], list[Any]]:
    """x, y, the weights (in, out), the biases."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(work.dtype)

    weights = [normal(*shape) for shape in pairwise(work.widths)]
    biases = [normal(width) for width in work.widths[1:]] if work.bias else []
    x, y = normal(work.batch, work.widths[0]), normal(work.batch, work.widths[-1])
    if work.loss == "CrossEntropyLoss":
        y = y.argmax(axis=1)
        weights = [weight / weight.dtype.type(len(weight) ** 0.5) for weight in weights]
    return x, y, weights, biases


def handwritten(work: Workload) -> Run:
    """The tutorial's loop; with biases a three-layer loop in the same style."""
    x, y, weights, biases = arrays(work)
    if work.optimizer == "Adam":
        train = by_hand.with_adam(weights, biases, LR)
        return lambda steps: train(repeat((x, y), steps))
    if work.bias:
        return by_hand.with_momentum(x, y, weights, biases, LR, work.momentum)
    from minitorch_np import tutorial

    return lambda steps: tutorial.handwritten(x, y, *weights, steps, LR)


def layered(work: Workload) -> tuple[Any, ...]:
    """The network in layers, its loss and optimizer, and the data."""
    import minitorch_np as mt

    x, y, weights, biases = arrays(work)
    layers: list[mt.Layer] = []
    for i, weight in enumerate(weights):
        linear = mt.Linear(*weight.shape, bias=work.bias, dtype=work.dtype)
        linear.weight.data = weight
        if linear.bias is not None:
            linear.bias.data = biases[i]
        layers += [linear, mt.ReLU()]
    model, loss = mt.Sequential(layers[:-1]), getattr(mt, work.loss)()
    options = {"momentum": work.momentum} if work.momentum else {}
    optimizer = getattr(mt, work.optimizer)(model.parameters(), lr=LR, **options)
    return model, loss, optimizer, x, y


def minitorch_np(work: Workload) -> Run:
    """This framework."""
    model, loss, optimizer, x, y = layered(work)

    def run(steps: int) -> None:
        losses = []
        for _ in range(steps):
            losses.append(loss(model(x), y))
            model.backward(loss.backward())
            optimizer.step()

    return run


def compiled(work: Workload) -> Run:
    """This framework with compiled steps."""
    import minitorch_np as mt

    *parts, x, y = layered(work)
    step = mt.compile(*parts)
    return lambda steps: [step(x, y) for _ in range(steps)]


def jax_jit(work: Workload) -> Run:
    """The whole step as one function that jax compiles, with data and parameters on its device."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", work.dtype == "float64")
    x, y, weights, biases = arrays(work)
    given = [jnp.asarray(a) for a in (*weights, *biases)]
    state = [jnp.zeros_like(a) for a in given] * (2 if work.optimizer == "Adam" else 1)
    count = len(weights)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        for i in range(count):
            x = x @ parameters[i] + (parameters[count + i] if work.bias else 0)
            x = jnp.maximum(x, 0) if i < count - 1 else x
        if work.loss == "CrossEntropyLoss":
            return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()
        return jnp.square(x - y).sum()

    def step(parameters: Any, state: Any, t: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(parameters, x, y)
        if work.optimizer == "Adam":
            m = [0.9 * a + 0.1 * g for a, g in zip(state, grads, strict=False)]
            v = [0.999 * a + 0.001 * g * g for a, g in zip(state[len(grads) :], grads, strict=True)]
            rate = LR * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
            moved = [rate * a / (jnp.sqrt(b) + 1e-8) for a, b in zip(m, v, strict=True)]
            state = [*m, *v]
        else:
            state = [work.momentum * a + g for a, g in zip(state, grads, strict=True)]
            moved = [LR * a for a in state]
        return [a - b for a, b in zip(parameters, moved, strict=True)], state, value

    run_step = jax.jit(step)
    data = [given, state, jnp.asarray(x), jnp.asarray(y), 0]

    def run(steps: int) -> None:
        for _ in range(steps):
            data[4] += 1
            data[0], data[1], value = run_step(data[0], data[1], float(data[4]), data[2], data[3])
            float(value)

    return run


def numba_jit(work: Workload) -> Run:
    """The loop by hand, compiled by numba."""
    import numba_loop

    x, y, weights, biases = arrays(work)
    biases = biases or [np.empty(0, work.dtype) for _ in weights]
    sizes = [w.size + b.size for w, b in zip(weights, biases, strict=True)]
    states = tuple(tuple(np.zeros(size, work.dtype) for size in sizes) for _ in range(2))
    loss = numba_loop.cross_entropy if work.loss == "CrossEntropyLoss" else numba_loop.squared_loss
    update = numba_loop.adam_update if work.optimizer == "Adam" else numba_loop.momentum_update
    given = x, y, tuple(weights), tuple(biases), states, loss, update, (x.dtype.type(LR), work.momentum)
    made = 0

    def run(steps: int) -> None:
        nonlocal made
        numba_loop.train((made + 1, made + 1 + steps), *given)
        made += steps

    return run


def written_out(work: Workload) -> Run:
    """The program that is derived from the layers, with the arrays as the handwritten one has them."""
    from minitorch_np.study.handwritten import write

    train = write(*layered(work)).train()
    x, y, weights, biases = arrays(work)
    parameters = [a for pair in zip_longest(weights, biases) for a in pair if a is not None]
    return lambda steps: train(x, y, *parameters, steps=steps)


def floor(work: Workload) -> Run:
    """Only the matrix products of a step, each into a kept array, by the quicker of NumPy's functions."""
    x, dy, weights, _ = arrays(work._replace(loss="SquaredLoss"))
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
        functions, key=lambda function: min(timed_often(lambda: function(a, b, out=out), number=3, repeat=15))
    )


def torch_eager(work: Workload) -> Run:
    """nn.Sequential, a loss and an optimizer of torch, which runs them one operation after the other."""
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
    model = torch.nn.Sequential(*layers[:-1])
    classes = work.loss == "CrossEntropyLoss"
    loss = torch.nn.CrossEntropyLoss() if classes else torch.nn.MSELoss(reduction="sum")
    options = {"momentum": work.momentum} if work.momentum else {}
    optimizer = getattr(torch.optim, work.optimizer)(model.parameters(), lr=LR, **options)
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
    """MLPRegressor or MLPClassifier, a full batch at each partial_fit; they always have biases and a mean."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, y, _, _ = arrays(work)
    classes = work.loss == "CrossEntropyLoss"
    momentum = {"momentum": work.momentum, "nesterovs_momentum": False} if work.optimizer == "SGD" else {}
    model = (MLPClassifier if classes else MLPRegressor)(
        hidden_layer_sizes=work.widths[1:-1],
        solver=work.optimizer.lower(),
        alpha=0.0,
        batch_size=work.batch,
        learning_rate_init=LR,
        shuffle=False,
        **momentum,
    )
    if classes:
        model.partial_fit(x, y, classes=np.arange(work.widths[-1]))
    target = y.ravel() if y.shape[-1] == 1 else y

    def run(steps: int) -> None:
        for _ in range(steps):
            model.partial_fit(x, target)

    return run


def layer(work: Workload) -> Run:
    """Only the layer, forward and backward on an array (batch, *widths)."""
    import minitorch_np as mt

    made = eval(work.layer, vars(mt)).astype(work.dtype)
    mt.Linear(1, 1)  # as in a network: with the first Parameter the memory of freed arrays is kept
    x, dy = images(work, lambda x: made(x).shape)

    def run(steps: int) -> None:
        for _ in range(steps):
            made(x)
            made.backward(dy)

    return run


def torch_layer(work: Workload) -> Run:
    """The same in torch."""
    import torch

    torch.set_num_threads(work.threads)
    made = eval(work.layer, vars(torch.nn)).to(getattr(torch, work.dtype))
    made.batch_first = True  # in recurrent layers and attention
    several = isinstance(made, torch.nn.MultiheadAttention)

    def forward(x: Any) -> Any:
        y = made(x, x, x, need_weights=False) if several else made(x)
        return y[0] if isinstance(y, tuple) else y

    x, dy = images(work, lambda x: tuple(forward(torch.from_numpy(x)).shape))
    tx, tdy = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dy)

    def run(steps: int) -> None:
        for _ in range(steps):
            tx.grad = None
            made.zero_grad()
            forward(tx).backward(tdy)

    return run


def im2col(work: Workload) -> Run:
    """A Conv2d of stride 1 that keeps its size, as it is written first: the windows of the whole batch."""
    import minitorch_np as mt

    made = eval(work.layer, vars(mt)).astype(work.dtype)
    weight, bias = made.weight.data, made.bias.data
    x, dy = images(work, lambda x: made(x).shape)
    out, channels, kernel, _ = weight.shape
    half, (batch, _, height, width) = kernel // 2, dy.shape

    def run(steps: int) -> None:
        for _ in range(steps):
            padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
            seen = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (2, 3))
            columns = seen.transpose(1, 4, 5, 0, 2, 3).reshape(-1, batch * height * width)
            y = weight.reshape(out, -1) @ columns
            np.ascontiguousarray(y.reshape(out, batch, height, width).swapaxes(0, 1) + bias[:, None, None])
            rows = dy.swapaxes(0, 1).reshape(out, -1)
            rows @ columns.T
            dy.sum(axis=(0, 2, 3))
            back = (weight.reshape(out, -1).T @ rows).reshape(channels, kernel, kernel, batch, height, width)
            dx = np.zeros_like(padded)
            for i in range(kernel):
                for j in range(kernel):
                    dx[:, :, i : i + height, j : j + width] += back[:, i, j].swapaxes(0, 1)
            np.ascontiguousarray(dx[:, :, half : half + height, half : half + width])

    return run


def images(work: Workload, shape_of: Callable[[Any], tuple[int, ...]]) -> tuple[Any, Any]:
    """x, and a dy of the shape of what is made of it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((work.batch, *work.widths)).astype(work.dtype)
    return x, rng.standard_normal(shape_of(x)).astype(work.dtype)


def example(work: Workload) -> tuple[Any, Any, Any, Any]:
    """The network of an example, its loss, and a batch of the kind that it reads."""
    import minitorch_np as mt

    model = import_module(f"minitorch_np.examples.{work.layer}").network(np.random.default_rng(0))
    rng = np.random.default_rng(0)
    if len(work.widths) == 1:  # characters, and those after them
        x, y = rng.integers(0, model[0].num_embeddings, (2, work.batch, *work.widths))
        y = y if model[-1].__class__ is mt.Transpose else y.reshape(-1)
    else:
        x = rng.random((work.batch, *work.widths)).astype(work.dtype)
        y = x if work.loss == "MSELoss" else rng.integers(0, 10, work.batch)
    return model, getattr(mt, work.loss)(), x, y


def network(work: Workload) -> Run:
    """A step of training of an example's network, with Adam."""
    import minitorch_np as mt

    model, loss, x, y = example(work)
    optimizer = mt.Adam(model.parameters(), lr=1e-4)

    def run(steps: int) -> None:
        for _ in range(steps):
            loss(model(x), y)
            model.backward(loss.backward())
            optimizer.step()

    return run


def compiled_network(work: Workload) -> Run:
    """The same with compiled steps."""
    import minitorch_np as mt

    model, loss, x, y = example(work)
    step = mt.compile(model, loss, mt.Adam(model.parameters(), lr=1e-4))
    return lambda steps: [step(x, y) for _ in range(steps)]


def torch_network(work: Workload) -> Run:
    """The same in torch eager."""
    import torch
    import torch_networks

    torch.set_num_threads(work.threads)
    ours, _, *data = example(work)
    model, loss = torch_networks.network(ours, work.dtype), getattr(torch.nn, work.loss)()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    x, y = map(torch.from_numpy, data)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            value.item()

    return run
