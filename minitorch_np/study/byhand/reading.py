"""A network read off the arrays of a program: its weights, x and y, what stands between, the loss."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.layers.elu import ELU
from minitorch_np.layers.linear import Linear
from minitorch_np.layers.piecewise import LeakyReLU, ReLU
from minitorch_np.layers.sequential import Sequential
from minitorch_np.layers.sigmoids import Sigmoid, Tanh
from minitorch_np.losses.binary import BCELoss, BCEWithLogitsLoss
from minitorch_np.losses.classification import CrossEntropyLoss
from minitorch_np.losses.loss import Loss
from minitorch_np.losses.regression import L1Loss, MSELoss, SquaredLoss
from minitorch_np.study.byhand.matching import (
    RATES,
    STEPS,
    TARGETS,
    Site,
    canonical,
    close,
    fitted,
    is_rate,
    values,
)
from minitorch_np.study.byhand.recording import Recording

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def weights_of(recording: Recording, like: Mapping[str, Array], titles: Mapping[str, str]) -> dict[str, str]:
    """The program's variable for each weight: one of its numbers, or else of its shape.

    `like` are the weights by the reference's names, `titles` the words for them. Of several, those
    that the loop changes come first, then those of the same name, then the one mentioned first.
    Raises ValueError that says what there is where one has no variable.
    """
    start, end = recording.before[0], recording.before[-1]
    moved = {event.name for events in recording.events for event in events}
    found: dict[str, str] = {}
    for name, array in like.items():
        fitting = []
        for variable, its in start.items():
            value = fitted(its, array) if its.ndim and variable not in found.values() else None
            if value is not None and its.dtype.kind in "fi":
                changes = variable in moved or not np.array_equal(its, end.get(variable, its))
                known = np.array_equal(value, array)
                fitting.append((not known, not changes, canonical(variable) != canonical(name), variable))
        if not fitting:
            raise ValueError(
                f"{recording.source.name} has no array of shape {array.shape} for {titles[name]} before its "
                f"loop; it has {_shapes(start)}"
            )
        found[name] = min(fitting, key=lambda key: key[:3])[3]
    return found


def data_of(
    recording: Recording, like: Mapping[str, Array], weights: Mapping[str, str], given: bool
) -> list[dict[str, Array]]:
    """x and y of each step, by the reference's names.

    Of the arrays of the same width, those come first that hold rows of x (or y), and among them the
    batches that are taken from it in the loop. Where the program was `given` x and y, nothing else will do.
    Raises ValueError if there is none.
    """
    known = values(recording, 0)
    taken = set(weights.values())
    sites: dict[str, Site] = {}
    rows: int | None = None
    for name, array in like.items():
        fitting = []
        for site, its in known.items():
            wide = _as_wide(its, array)
            if site.name in taken or site in sites.values() or wide is None or rows not in (None, len(wide)):
                continue
            inside = len(wide) <= len(array) and _rows(wide) <= _rows(array)
            if not given or inside:
                fitting.append((site, (not inside, canonical(site.name) != canonical(name))))
        if not fitting:
            raise ValueError(
                f"{recording.source.name} has no array like {name} of shape {('N', *array.shape[1:])}; "
                f"it has {_shapes(recording.before[0])}"
            )
        site = min(fitting, key=lambda pair: pair[1])[0]
        if rows is None or any(its.line for its in sites.values()):  # y comes in batches where x does
            batches = [s for s, _ in fitting if s.line and _taken_from(known[s], known[site])]
            site = batches[0] if batches else site
        sites[name] = site
        rows = len(known[site])
    steps: list[dict[str, Array]] = []
    for step in range(len(recording.events)):
        held = values(recording, step)
        here = {name: _as_wide(held.get(site, known[site]), like[name]) for name, site in sites.items()}
        steps.append({name: a for name, a in here.items() if a is not None})
    return steps


def bound(
    names: list[str], needed: int, main: Mapping[str, Any], others: Mapping[str, Any], steps: int, rate: Any
) -> dict[str, Any]:
    """The arguments for a function of these parameters, of which the first `needed` have no default.

    The `main` arrays go to the parameters of their names if all are there, else to the first ones
    in order; `others` only by name. Raises ValueError that shows the form.
    """
    form = f"({', '.join(main)}, steps, learning_rate)"
    if set(main) <= set(names):
        found = dict(main)
    elif len(names) >= len(main):
        found = dict(zip(names, main.values(), strict=False))
    else:
        raise ValueError(f"it takes ({', '.join(names)}), and should take {form}")
    for i, name in enumerate(names):
        if name not in found:
            if name in others:
                found[name] = others[name]
            elif name.lower() in STEPS:
                found[name] = steps
            elif name.lower() in RATES:
                found[name] = rate
            elif i < needed:
                raise ValueError(f"what its parameter {name} should be is not clear: it should take {form}")
    return found


def _as_wide(a: Array, like: Array) -> Array | None:
    """An array with samples of the same shape as those of another."""
    kinds = "iu" if like.dtype.kind in "iu" else "fiu"  # classes are whole numbers
    if a.dtype.kind not in kinds or not a.ndim:
        return None
    a = a if a.dtype.kind == like.dtype.kind else a.astype(like.dtype)
    if a.ndim == like.ndim and a.shape[1:] == like.shape[1:]:
        return a
    shape, wanted = ([n for n in array.shape[1:] if n != 1] for array in (a, like))
    return a.reshape(len(a), *like.shape[1:]) if shape == wanted else None


def _rows(a: Array) -> set[bytes]:
    return {row.tobytes() for row in np.asarray(a, np.float64)}


def _taken_from(batch: Array, whole: Array) -> bool:
    return len(batch) <= len(whole) and _rows(batch) <= _rows(whole)


def _shapes(arrays: Mapping[str, Array]) -> str:
    return ", ".join(f"{name} {a.shape}" for name, a in arrays.items() if a.ndim) or "none"


DEEPEST = 12  # weights; more are not tried in all their orders


class WeightChain(NamedTuple):
    """Names of x, y and the weights between them, in the order in which data goes through them."""

    x: str
    y: str
    weights: tuple[str, ...]


def chain_of(recording: Recording) -> WeightChain:
    """The chain of a program. Raises ValueError if there is none, with what there is."""
    start, end = recording.before[0], recording.before[-1]
    moved = {event.name for events in recording.events for event in events}
    moved |= {name for name, a in start.items() if not np.array_equal(a, end.get(name, a), equal_nan=True)}
    is_cut_short = recording.program_error is not None
    if found := _search(start, moved, is_cut_short):
        return found
    said = f"{recording.source.name}: no arrays make a network, x (N, d0), weights (d0, d1), …, y (N, dk)"
    if _search({name: a.T for name, a in start.items()}, moved, is_cut_short):
        raise ValueError(f"{said}: it has samples as columns, W @ x; they have to be rows, x @ W")
    shapes = ", ".join(f"{name} {a.shape}" for name, a in start.items() if a.ndim)
    raise ValueError(f"{said}; it has {shapes}: give the network, as in 'Linear(4, 8), ReLU(), Linear(8, 2)'")


def _search(start: Mapping[str, Array], moved: set[str], is_cut_short: bool) -> WeightChain | None:
    flat = [n for n, a in start.items() if a.ndim == 2 and a.dtype.kind in "fi"]
    weights = [n for n in flat if n in moved and start[n].any() and not canonical(n).startswith("grad:")]
    fixed = [n for n in flat if n not in moved]
    for x in sorted(fixed, key=lambda n: canonical(n) != "x"):
        targets = [n for n, a in start.items() if n not in moved and n != x and a.ndim in (1, 2)]
        targets = [n for n in targets if len(start[n]) == len(start[x])]
        for y in sorted(targets, key=lambda n: canonical(n) not in TARGETS):
            width = start[y].shape[1] if start[y].ndim == 2 else None
            for extra in _extras([n for n in fixed if n not in (x, y)], is_cut_short):
                found = next(_paths(start, [*weights, *extra], start[x].shape[1], width), None)
                if found and set(weights) <= set(found):
                    return WeightChain(x, y, found)
    return None


def _extras(fixed: list[str], is_cut_short: bool) -> Iterator[tuple[str, ...]]:
    """Weights that nothing has updated: at most one, or any if the program did not get to the updates."""
    counts = range(min(len(fixed), DEEPEST), -1, -1) if is_cut_short else (0, 1)
    for count in counts:
        yield from combinations(fixed, count)


def _paths(
    start: Mapping[str, Array], names: Sequence[str], width: int, last: int | None
) -> Iterator[tuple[str, ...]]:
    """Orders of all the weights in which each takes what the one before it gives."""
    if not names or len(names) > DEEPEST:
        return
    for name in names:
        if start[name].shape[0] == width:
            rest = [n for n in names if n != name]
            if not rest and last in (None, start[name].shape[1]):
                yield (name,)
            for path in _paths(start, rest, start[name].shape[1], last):
                yield (name, *path)


def bias_of(recording: Recording, chain: WeightChain, layer: int) -> str | None:
    """The name of the bias after a weight: of its width, changed in the loop, in the order of mention."""
    start, end = recording.before[0], recording.before[-1]
    widths = [start[name].shape[1] for name in chain.weights]
    candidates = [
        name
        for name, a in start.items()
        if a.ndim in (1, 2) and a.size == a.shape[-1] == widths[layer] and name not in chain
        and name not in chain.weights and a.dtype.kind == "f" and canonical(name).startswith(("b", "bias"))
        and not np.array_equal(a, end.get(name, a))
    ]  # fmt: skip
    place = sum(width == widths[layer] for width in widths[:layer])
    return candidates[place] if place < len(candidates) else None


ACTIVATIONS = (ReLU, Tanh, Sigmoid, LeakyReLU, ELU)

LOSSES = (SquaredLoss, MSELoss, CrossEntropyLoss, BCELoss, BCEWithLogitsLoss, L1Loss)


class Reading(NamedTuple):
    """The network with the program's weights in it, what it is trained on, and which variables these are."""

    model: Sequential
    loss: Loss
    x: Array
    y: Array
    said: str


def read(recording: Recording, activation: Layer | None = None, loss: Loss | None = None) -> Reading:
    """The network of a program: x (N, d0), weights (d0, d1), (d1, d2), …, biases that fit, y (N, dk).

    Between the layers stands `activation`, or else the first of the usual ones that makes an array
    which the program has, or else ReLU; after the last one of them only if it makes such an array.
    The loss is `loss`, or else the first whose value or gradient the program has, or else SquaredLoss.
    Raises ValueError if no arrays make such a chain.
    """
    start = recording.before[0]
    chain = chain_of(recording)
    x, y = _floats(start[chain.x]), start[chain.y]
    made = [event.value for event in recording.events[0]]
    dtypes = {str(_floats(start[name]).dtype) for name in chain.weights}
    if len(dtypes) > 1 or not dtypes <= {"float64", "float32"}:
        said = ", ".join(f"{name} {start[name].dtype}" for name in chain.weights)
        raise ValueError(f"the weights should all be float64 or all float32, got {said}")
    layers: list[Layer] = []
    out = x
    for i, name in enumerate(chain.weights):
        weight = _floats(start[name])
        bias = bias_of(recording, chain, i)
        height, width = weight.shape
        linear = Linear(height, width, bias is not None, dtype=weight.dtype)
        linear.weight.data = weight
        if linear.bias is not None and bias is not None:
            linear.bias.data = start[bias].reshape(-1)
        layers.append(linear)
        out = linear(np.asarray(out, weight.dtype))
        between = _between(activation, out, made, is_last=i == len(chain.weights) - 1)
        if between is not None:
            layers.append(between)
            out = between(out)
    if y.ndim == out.ndim - 1 and out.shape[-1] == 1:
        y = y.reshape(-1, 1)
    found = loss or _loss(out, y, made)
    said = f"x is {chain.x} {start[chain.x].shape}, y is {chain.y} {start[chain.y].shape}, the weights are "
    return Reading(Sequential(layers), found, x, y, said + ", ".join(chain.weights))


def read_into(recording: Recording, model: Sequential, loss: Loss | None = None) -> Reading:
    """The program's weights in a network that is given, and its x and y: what the network and the loss accept.

    Raises ValueError if the program has no array for a weight, or none that can be x and y.
    """
    start = recording.before[0]
    titles = {name: name for name, _ in model.named_parameters()}
    weights = weights_of(recording, {name: p.data for name, p in model.named_parameters()}, titles)
    if weights:
        model.astype(_floats(start[next(iter(weights.values()))]).dtype)
    for name, parameter in model.named_parameters():
        parameter.data = start[weights[name]].reshape(parameter.shape)
    others = [n for n, a in start.items() if a.ndim and n not in weights.values()]
    for x in sorted(others, key=lambda n: canonical(n) != "x"):
        for y in sorted((n for n in others if n != x), key=lambda n: canonical(n) not in TARGETS):
            try:
                inputs, target = np.asarray(start[x], model.dtype), start[y]
                out = copy.deepcopy(model)(inputs)
                target = target.reshape(-1, 1) if target.ndim == 1 and out.shape == (len(target), 1) else target
                found = loss or _loss(out, target, [event.value for event in recording.events[0]])
                copy.deepcopy(found)(out, target)
            except (TypeError, ValueError, IndexError):
                continue
            said = f"x is {x} {start[x].shape}, y is {y} {start[y].shape}, the weights are "
            return Reading(model, found, inputs, target, said + ", ".join(weights.values()))
    shapes = ", ".join(f"{name} {a.shape}" for name, a in start.items() if a.ndim)
    raise ValueError(f"{recording.source.name}: no arrays can be x and y of {model!r}; it has {shapes}")


def rate_of(recording: Recording, reading: Reading) -> float | None:
    """The learning rate of the program: the number of a usual name, `learning_rate`, `lr`, ….

    Or else the quotient of a weight's first step and its gradient in the network, where that is the same
    for all elements. None if there is neither.
    """
    named = [value for name, value in recording.scalars().items() if is_rate(name) and value]
    if named or not recording.steps:
        return named[0] if named else None
    model, loss = copy.deepcopy((reading.model, reading.loss))
    loss(model(reading.x), reading.y)
    model.backward(loss.backward())
    before, after = recording.before[:2]
    for parameter in model.parameters():
        for name, weight in before.items():
            value = fitted(weight, parameter.data)
            if value is None or name not in after or not np.array_equal(value, parameter.data):
                continue
            moved, g = value - after[name].reshape(value.shape), parameter.grad
            rate = float((moved * g).sum() / np.square(g).sum()) if g.any() else 0.0
            if rate > 0 and np.allclose(moved, rate * g, rtol=1e-6, atol=1e-9 * np.abs(moved).max()):
                return float(f"{rate:.6g}")
    return None


def _between(given: Layer | None, out: Array, made: Sequence[Array], *, is_last: bool) -> Layer | None:
    """What follows a Linear: at the end nothing, or what squeezes the output and is in the program."""
    if given is not None and not is_last:
        return copy.deepcopy(given)
    for kind in (Tanh, Sigmoid) if is_last else ACTIVATIONS:
        wanted = kind()(out)
        if not np.array_equal(wanted, out) and any(_is(a, wanted) for a in made):
            return kind()
    return None if is_last else ReLU()


def _loss(out: Array, y: Array, made: Sequence[Array]) -> Loss:
    """The first loss of which the program has the value, or else the gradient."""
    fitting: list[tuple[int, Loss]] = []
    for kind in LOSSES:
        try:
            loss = kind()
            with np.errstate(all="ignore"):
                value, gradient = loss(out, y), loss.backward()
        except (TypeError, ValueError):
            continue
        score = 2 * any(not a.ndim and _is(a, np.asarray(value)) for a in made)
        score += any(_is(a, gradient) for a in made)
        fitting.append((score, loss))
    best = max(fitting, key=lambda pair: pair[0], default=(0, SquaredLoss()))
    return best[1] if best[0] else fitting[0][1] if fitting else SquaredLoss()


def _is(a: Array, wanted: Array) -> bool:
    value = fitted(a, wanted) if a.dtype.kind == "f" else None
    return value is not None and bool(np.isfinite(wanted).all()) and close(value, wanted)


def _floats(a: Array) -> Array:
    return a if a.dtype.kind == "f" else a.astype(np.float64)
