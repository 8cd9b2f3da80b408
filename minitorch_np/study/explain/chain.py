"""A run of a network with names for all arrays: x, w1, h, h_relu, w2, y_pred, and grad_… of each.

One hidden layer is h, its size H and its weight w1, as in the handwritten program; more are h1, h2, ….
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.branches import Parallel
from minitorch_np.layers.reduce import Mean, Select
from minitorch_np.layers.reshape import Flatten, Transpose
from minitorch_np.losses.checks import class_axis
from minitorch_np.losses.classification import NLLLoss
from minitorch_np.study.explain import axes, formulas
from minitorch_np.study.explain.axes import Axes, Named
from minitorch_np.study.explain.run import ONE_AFTER_THE_OTHER, Passage, Run, all_of, name_outputs

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.losses.loss import Loss
    from minitorch_np.parameter import Parameter


ELEMENTWISE: tuple[Axes, Axes] = (("...",), ("...",))


class SavedArray(NamedTuple):
    """An array saved for backward; `again` if its memory was saved before."""

    name: str
    axes: Axes  # empty where nobody says
    shape: tuple[int, ...]
    nbytes: int
    again: bool


class Branch(NamedTuple):
    """One of the ways from x to y inside a layer, with what arrives at its end and what it gives back."""

    name: str
    steps: list[Step]
    y: Named
    dy: Named
    dx: Named | None


class Step(NamedTuple):
    """One layer in its place. `arrays` are called as in its docstring: x, y, dy, dx, W, dW, b, db."""

    path: str
    layer: Layer
    arrays: dict[str, Named]
    parameters: list[str]  # of these the ones that are learned
    missing: list[str]  # parameters of the docstring that this layer does not have, as b
    saved: list[SavedArray]
    multiply_adds: int | None  # with those of the layers inside; None: one does not say
    branches: list[Branch]  # of a layer that only leads x through others
    joined: str  # how y comes of the branches

    def gradients(self) -> list[str]:
        """Of `arrays` the ones that backward made: dW, db, dx."""
        return [*(f"d{symbol}" for symbol in self.parameters), *(["dx"] if "dx" in self.arrays else [])]

    def renamed(self, text: str) -> str:
        """A text of the docstring with the names of this network."""
        for symbol in self.missing:
            text = formulas.without(text, symbol)
        return formulas.renamed(text, {symbol: array.name for symbol, array in self.arrays.items()})


def leaves(steps: list[Step]) -> Iterator[Step]:
    """The steps that compute, those inside others too."""
    for step in steps:
        for branch in step.branches:
            yield from leaves(branch.steps)
        if not step.branches:
            yield step


class Chain:
    """All steps, the loss after them, and `sizes` of the axes."""

    def __init__(self, model: Layer, x: Any, y: Any = None, loss: Loss | None = None) -> None:
        run = Run(model, x, y, loss, branches=True)
        self.loss, self.value, self.divisor = run.loss, run.value, run.divisor
        first = run.passages[0].x if run.passages else run.prediction
        ends = _name_axes(run, first)
        name = name_outputs(run.passages, run.names)
        self.x = Named("x", ends[0], first)
        self.prediction = Named(name, ends[1], run.prediction)
        self.dy = Named(f"grad_{name}", ends[1], run.dy)
        self.sizes: dict[str, int] = dict(zip(ends[0], first.shape, strict=True))
        for passage in all_of(run.passages):
            self.sizes |= dict(zip(passage.axes[1], passage.y.shape, strict=True))
        self._names, self._called, self._memory = run.names, run.called, _Memory()
        self.steps = self._steps(run.passages, self.x, "grad_x")
        self._memory.name(self.prediction.name, run.prediction)
        self.target = None if loss is None else _target(self.prediction, np.asarray(run.target))
        if self.target is not None:
            self._memory.name("y", self.target.value)
        self.loss_saved = self._memory.saved(run.loss_saved)
        self.saved_bytes = self._memory.total

    def _steps(self, passages: list[Passage], x: Named, dx_name: str) -> list[Step]:
        steps = []
        for passage in passages:
            steps.append(self._step(passage, x, dx_name))
            x = steps[-1].arrays["y"]
            dx_name = f"grad_{x.name}"
        return steps

    def _step(self, passage: Passage, x: Named, dx_name: str) -> Step:
        layer = passage.shown
        y = Named(passage.name, passage.axes[1], passage.y)
        arrays = {"x": x, "y": y, "dy": Named(f"grad_{y.name}", y.axes, passage.dy)}
        if passage.dx is not None:
            arrays["dx"] = Named(dx_name, x.axes, passage.dx)
        self._memory.name(x.name, x.value)
        branches = [self._branch(passage, name, arrays) for name in passage.branches]
        self._memory.name(y.name, y.value)
        said, symbols = formulas.shapes(type(layer))
        own = {} if branches else dict(_parameters(layer, passage.words, self._called))
        learned = {symbol: (self._named(array), p) for symbol, (array, p) in own.items()}
        arrays |= {symbol: array for symbol, (array, _) in learned.items()}
        arrays |= {f"d{s}": Named(f"grad_{a.name}", a.axes, p.grad) for s, (a, p) in learned.items()}
        missing = [s for name, s in symbols.items() if getattr(layer, name, 0) is None]
        saved = self._memory.saved([array for _, array in passage.saved])
        for i, (variable, array) in enumerate(passage.saved):
            words = () if variable in arrays else said.get(variable, ())
            its_axes = tuple(passage.words.get(word, word) for word in words)
            sizes = zip(its_axes, array.shape, strict=False)
            fits = len(words) == array.ndim and all(self.sizes.setdefault(a, n) == n for a, n in sizes)
            if words and fits:
                saved[i] = saved[i]._replace(name=variable, axes=its_axes)
            elif variable and not saved[i].name:
                saved[i] = saved[i]._replace(name=f"{variable} {array.shape}")
        return Step(
            passage.path, layer, arrays, list(learned), missing, saved, passage.multiply_adds, branches,
            passage.joined,
        )  # fmt: skip

    def _branch(self, passage: Passage, name: str, arrays: dict[str, Named]) -> Branch:
        inside, x, dy, dx = passage.branches[name], arrays["x"], arrays["dy"], arrays.get("dx")
        dx_name = f"grad_{x.name}"
        if dx is not None:
            own = passage.joined != ONE_AFTER_THE_OTHER and (inside or passage.joined == "concatenate")
            dx_name = self._names.unique(f"{dx.name}_{name}") if own else dx.name
        if not inside:
            past = dy if passage.joined == "sum" else Named(dx_name, x.axes, _part_of(passage, name))
            return Branch(name, [], x, past, None if dx is None else past)
        steps = self._steps(inside, x, dx_name)
        last = steps[-1].arrays
        return Branch(name, steps, last["y"], last["dy"], steps[0].arrays.get("dx"))

    def _named(self, array: Named) -> Named:
        """Without the names of axes of another size, such as both directions' side by side."""
        sizes = zip(array.axes, array.value.shape, strict=True)
        return array._replace(axes=tuple(a if self.sizes.get(a, n) == n else str(n) for a, n in sizes))


class _Memory:
    """Which memory belongs to which name, and what of it was saved."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.counted: dict[int, Array] = {}  # held, so that ids stay theirs
        self.total = 0

    def name(self, name: str, array: Array) -> None:
        self.names.setdefault(id(_owner(array)), name)

    def saved(self, arrays: list[Array]) -> list[SavedArray]:
        found = []
        for array in arrays:
            owner = _owner(array)
            again = id(owner) in self.counted
            self.counted[id(owner)] = owner
            self.total += 0 if again else owner.nbytes
            name = self.names.get(id(owner), "")
            part = "a part of " if name and array.nbytes < owner.nbytes else ""
            found.append(SavedArray(part + name, (), array.shape, array.nbytes, again))
        return found


def _owner(array: Array) -> Array:
    while array.base is not None and isinstance(array.base, type(array)):
        array = array.base
    return array


def _part_of(passage: Passage, name: str) -> Array:
    """The part of dy that belongs to a branch, of what stands side by side."""
    dim = passage.layer.dim  # type: ignore[attr-defined]
    ends = [inside[-1].y if inside else passage.x for inside in passage.branches.values()]
    parts = np.split(passage.dy, np.cumsum([end.shape[dim] for end in ends])[:-1], dim)
    return parts[list(passage.branches).index(name)]


def _name_axes(run: Run, first: Array) -> tuple[Axes, Axes]:
    """Name the axes of every passage; return those of x and of the prediction."""
    number = count()

    def fresh(word: str) -> str:
        return f"?{next(number)} {axes.ROLES.get(word, '')}"

    same: dict[str, str] = {}  # axes that a sum makes the same

    def through(passages: list[Passage], x_axes: Axes) -> Axes:
        for passage in passages:
            if passage.branches:
                ends = [through(inside, x_axes) for inside in passage.branches.values()]
                joint = passage.layer.dim % len(ends[0]) if isinstance(passage.layer, Parallel) else -1
                joint = joint if passage.joined == "concatenate" else -1
                y_axes = _joined(ends, joint, same, fresh)
            else:
                said = _says(passage.layer)
                for word, axis in zip(axes.expanded(said[0], len(x_axes)) or (), x_axes, strict=False):
                    if _vagueness(axis) == (True, True) and axis not in same and word in axes.ROLES:
                        same[axis] = fresh(word)  # what the layer before it did not say
                y_axes, passage.words = axes.after((x_axes, passage.x.shape), passage.y.shape, said, fresh)
                y_axes = _moved(passage.layer, x_axes, fresh) or y_axes
            passage.axes = x_axes, y_axes
            x_axes = y_axes
        return x_axes

    leaf = next((passage.layer for passage in all_of(run.passages) if not passage.branches), None)
    x_says = ELEMENTWISE[0] if leaf is None else _says(leaf)[0]
    if leaf is not None and leaf.index_count is not None and first.ndim == 2:
        x_says = ("N", "T")  # sequences of indices
    start = axes.of_input(first.ndim, x_says, fresh)
    end = through(run.passages, start)

    def known(axis: str) -> str:
        return _known(axis, same)

    every = list(all_of(run.passages))
    seen = "·".join(axis for some in (start, *(p.axes[1] for p in every)) for axis in some)
    order = dict.fromkeys(map(known, seen.split("·")))
    new = [axis for axis in order if axis.startswith("?")]
    names = {}
    is_classified = isinstance(run.loss, NLLLoss)
    out = known(end[class_axis(run.prediction) if is_classified else -1]) if end else ""
    for role in dict.fromkeys(axis.split(" ")[1] for axis in new):
        alike = [axis for axis in new if axis.split(" ")[1] == role]
        if out in alike and (is_classified or role in ("", "F")):
            names[out] = "D_out"
            alike.remove(out)
        names |= {axis: f"{role or 'H'}{i if len(alike) > 1 else ''}" for i, axis in enumerate(alike, 1)}

    def named(some: Axes) -> Axes:
        parts = ([known(part) for part in axis.split("·")] for axis in some)
        return tuple("·".join(names.get(part, part) for part in one) for one in parts)

    for passage in every:
        passage.axes = named(passage.axes[0]), named(passage.axes[1])
        passage.words = dict(zip(passage.words, named(tuple(passage.words.values())), strict=True))
    return named(start), named(end)


def _joined(ends: list[Axes], joint: int, same: dict[str, str], fresh: Callable[[str], str]) -> Axes:
    """The axes of a sum, or of what stands side by side along the axis `joint`; notes which are the same."""
    result = []
    for i, alike in enumerate(zip(*ends, strict=True)):
        if i == joint:
            role = {axis.partition(" ")[2] for axis in alike if axis.startswith("?")}
            result.append(fresh(role.pop() if len(role) == 1 else ""))
            continue
        choice, *others = sorted({_known(axis, same): 0 for axis in alike}, key=_vagueness)
        same |= {axis: choice for axis in others if axis.startswith("?")}
        result.append(choice)
    return tuple(result)


def _vagueness(axis: str) -> tuple[bool, bool]:
    """For sorting: names first, then new axes with a role."""
    return axis.startswith("?"), axis.endswith(" ")


def _moved(layer: Layer, axes: Axes, fresh: Callable[[str], str]) -> Axes | None:
    """The axes of y, of a layer that swaps those of x, joins them or leaves some out; None of another."""
    moved = list(axes)
    if isinstance(layer, Transpose):
        moved[layer.dim0], moved[layer.dim1] = axes[layer.dim1], axes[layer.dim0]
    elif isinstance(layer, Flatten):
        first, last = layer.start_dim % len(axes), layer.end_dim % len(axes)
        joined = axes[first : last + 1]
        moved[first : last + 1] = ["·".join(joined) if len(joined) == 1 or first == 0 else fresh("features")]
    elif isinstance(layer, Select) or (isinstance(layer, Mean) and not layer.keepdim):
        dims = layer.dim if isinstance(layer.dim, tuple) else (layer.dim,)
        gone = {dim % len(axes) for dim in dims}
        moved = [axis for i, axis in enumerate(axes) if i not in gone]
    else:
        return None
    return tuple(moved)


def _says(layer: Layer) -> tuple[Axes, Axes]:
    """The words of the layer's docstring for the axes of x and of y."""
    if isinstance(layer, Activation):
        return ELEMENTWISE
    said = formulas.shapes(type(layer))[0]
    return said.get("x", ()), said.get("y", ())


def _known(axis: str, same: Mapping[str, str]) -> str:
    while axis in same:
        axis = same[axis]
    return axis


def _target(prediction: Named, y: Array) -> Named:
    """The target: of the prediction's shape, or class indices, which lack the axis of the classes."""
    axes, shape = prediction.axes, prediction.value.shape
    if y.shape != shape:
        at = min(len(shape), 2) - 1
        fits = y.shape == (*shape[:at], *shape[at + 1 :])
        axes = (*axes[:at], *axes[at + 1 :]) if fits else tuple(map(str, y.shape))
    return Named("y", axes, y)


def _parameters(
    layer: Layer, words: Mapping[str, str], names: Mapping[int, str]
) -> Iterator[tuple[str, tuple[Named, Parameter]]]:
    """Symbol, array and parameter: W of the docstring's `weight W` is w1."""
    said, symbols = formulas.shapes(type(layer))
    for name, parameter in layer.named_parameters():
        symbol = symbols.get(name, name)
        says = said.get(symbol, ())
        sizes = tuple(map(str, parameter.shape))
        called = tuple(words.get(w, s) for w, s in zip(says, sizes, strict=False))
        its_axes = called if len(says) == len(sizes) else sizes
        yield symbol, (Named(names[id(parameter)], its_axes, parameter.data), parameter)
