"""Calls of what others write: the arguments of a class or function by their sizes, and inputs that it takes."""

from __future__ import annotations

import ast
import copy
import inspect
import re
import warnings
from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.module import Module
from minitorch_np.serialization.parse import literal, parse_call
from minitorch_np.study.mistakes import UNNAMED
from minitorch_np.study.slots import BACKWARD, is_parameter_name
from minitorch_np.study.subjects import (
    FORWARD,
    TARGETS,
    Subject,
    method_name,
    subject_of,
)
from minitorch_np.study.targets import drawn_targets

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.study.gradcheck import Diagnosis

BATCH = 5
LOSS_BATCH = 12  # enough that a margin is met and missed
INPUTS = re.compile(
    r"(n_|num_|d_|dim_)?(in|inp|input|inputs|fan_in|nin|idim)(_?(features|dim|size|dims|channels|ch|units))?$"
)
OUTPUTS = re.compile(
    r"(n_|num_|d_|dim_)?(out|output|outputs|fan_out|nout|odim|hidden)(_?(features|dim|size|dims|channels|ch|units))?$"
)
SIZES = re.compile(r"(n_|num_)?(features|feature|dim|dims|size|d|n|units|channels|hidden_size)$")
LOSS = re.compile(r"loss|entropy|mse|mae|criterion|hinge|huber|error|nll|bce", re.IGNORECASE)


class Drawn(NamedTuple):
    """Indices below `high`, in an array of that size."""

    high: int
    size: tuple[int, ...]


class Case(NamedTuple):
    """A subject, inputs that it takes, what they are, and what kind of target is among them."""

    subject: Subject
    inputs: tuple[Any, ...]
    said: str
    kind: str = ""

    @property
    def is_over_classes(self) -> bool:
        return self.kind.endswith(("one-hot", "classes"))


def argument(node: ast.expr) -> Any:
    """Return an argument of a call: a literal, or `integers(9, (2, 5))` as indices to be drawn."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "integers":
        if len(node.args) != 2:
            raise ValueError("integers expects a bound and a size, as in integers(9, (2, 5)): indices below 9")
        high, size = map(literal, node.args)
        return Drawn(int(high), (size,) if isinstance(size, int) else tuple(size))
    return literal(node)


def is_foreign(found: Any) -> bool:
    """Whether this is a class or an object with forward and backward, or a function, of someone's own."""
    if inspect.isfunction(found):
        return True
    kind = found if isinstance(found, type) else type(found)
    return all(any(callable(getattr(kind, n, None)) for n in names) for names in (FORWARD, BACKWARD))


class Made(NamedTuple):
    """A foreign object or function, the call that it was made with, and the arguments of that call."""

    thing: Any
    title: str
    given: dict[str, Any]


def made(found: Any, call: str, shapes: Sequence[tuple[int, ...]], seed: int) -> Made:
    """Return an object of a class, or a function with the sizes of its arguments, as the call says.

    Raises ValueError if the call does not fit.
    """
    _, args, kwargs = parse_call(call, argument)
    if inspect.isfunction(found):
        given = _bound(found, args, kwargs, shapes)
        text = ", ".join(f"{name}={_size_text(value)}" for name, value in given.items())
        return Made(found, f"{found.__name__}({text})", given)
    if not isinstance(found, type):
        return Made(found, call, {})
    return _constructed(found, args, kwargs, np.random.default_rng(seed))


def cases(made: Made, shapes: Sequence[tuple[int, ...]], target: str | None, seed: int) -> list[Case]:
    """Return inputs that it takes: for a loss of each kind of target and prediction, otherwise one alone.

    Raises the error of the first call if no inputs fit.
    """
    rng = np.random.default_rng(seed)
    if inspect.isfunction(made.thing):
        return _function_cases(made, target, rng)
    return _object_cases(made, shapes, target, rng)


def _size_text(value: Any) -> str:
    return f"integers({value.high}, {value.size})" if isinstance(value, Drawn) else repr(value)


def _bound(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], shapes: Sequence[tuple[int, ...]]
) -> dict[str, Any]:
    """Return the arguments of a function by name; sizes that are not given by what their names say."""
    signature = inspect.signature(function)
    required = [
        p.name for p in signature.parameters.values() if p.default is p.empty and p.kind < p.VAR_POSITIONAL
    ]
    if not (args or kwargs):
        kwargs = dict(zip(required, shapes or [(BATCH, 4)], strict=False))
        kwargs |= {n: _usual_size(n) for n in required[len(kwargs) :]}
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        bound = dict.fromkeys(required)
    if any(bound[name] is None for name in required):
        example = ", ".join(f"{n}={_usual_size(n) or '...'}" for n in required)
        raise ValueError(
            f"{function.__name__} needs the sizes of its arguments, as in {function.__name__}({example})"
        )
    return dict(bound)


def _usual_size(name: str) -> Any:
    """The size of an argument of that name, where an x of (5, 4) goes to 3 outputs."""
    word = name.lower()
    if word in ("x", "a", "inputs", "z", "scores", "y_pred", "pred", "logits", "y_hat", "prediction"):
        return (BATCH, 4)
    if word in TARGETS:
        return (BATCH, 4)
    if word.startswith("w"):
        return (4, 3)
    if word in ("b", "bias"):
        return (3,)
    return (4,) if word in ("gamma", "beta", "scale", "shift") else None


def _drawn(value: Any, rng: np.random.Generator) -> Any:
    """A tuple of sizes as an array of that size, a list as the array of its numbers, all else as it is."""
    if isinstance(value, Drawn):
        return rng.integers(0, value.high, value.size)
    if isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        return rng.standard_normal(value)
    return np.array(value) if isinstance(value, list) else value


def _function_cases(made: Made, target: str | None, rng: np.random.Generator) -> list[Case]:
    function, title, given = made
    drawn = {name: _drawn(value, rng) for name, value in given.items()}
    said = ", ".join(f"{n} of shape {v.shape}" for n, v in drawn.items() if isinstance(v, np.ndarray))
    names = list(drawn)
    is_open = len(names) == 2 and names[1].lower() in TARGETS and isinstance(given[names[1]], tuple)
    if is_open:
        return _loss_cases(function, title, drawn[names[0]], target, rng)
    tried, indices = [tuple(drawn.values())], []
    for i, value in enumerate(tried[0][1:], 1):
        if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind == "f":  # may be indices
            below = rng.integers(0, max(1, min(np.shape(tried[0][0])[-1:] or (1,))), value.shape)
            indices.append((*tried[0][:i], below, *tried[0][i + 1 :]))
    x = tried[0][0]
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        tables = [len(v) for v in tried[0][1:] if isinstance(v, np.ndarray) and v.ndim == 2]
        indices += [(rng.integers(0, n, x.shape), *tried[0][1:]) for n in tables]

    def subject(inputs: tuple[Any, ...]) -> Subject:
        return subject_of(function, inputs, title)

    return [_fitting(subject, [(t, said) for t in tried], [(t, said) for t in indices])]


def _constructed(kind: type, args: list[Any], kwargs: dict[str, Any], rng: np.random.Generator) -> Made:
    """Make the object; arguments that are weights are drawn in the size that is given for them."""
    parameters = list(inspect.signature(kind).parameters.values())
    named = [p for p in parameters if p.kind < p.VAR_POSITIONAL]
    if not (args or kwargs):
        needed = [p.name for p in named if p.default is p.empty]
        kwargs = {name: _usual_argument(name) for name in needed}
        if None in kwargs.values():
            wanted = f"give its arguments, {kind.__name__}({', '.join(needed)}) with numbers for the names"
            raise ValueError(f"{kind.__name__} cannot be made: TypeError: {wanted}")
        args, kwargs = [*kwargs.values()], {}
    title = ", ".join([*map(_size_text, args), *(f"{n}={_size_text(v)}" for n, v in kwargs.items())])
    title = f"{kind.__name__}({title})"
    positional = zip((p.name for p in named), args, strict=False)
    is_weight = {n: is_parameter_name(n) and isinstance(v, tuple) for n, v in [*positional, *kwargs.items()]}
    names = [p.name for p in named]
    values = [_drawn(v, rng) if i < len(names) and is_weight[names[i]] else v for i, v in enumerate(args)]
    by_name = {n: _drawn(v, rng) if is_weight[n] else v for n, v in kwargs.items()}
    state = np.random.get_state()  # noqa: NPY002, of weights that students draw
    np.random.seed(0)  # noqa: NPY002
    try:
        return Made(kind(*values, **by_name), title, {str(i): value for i, value in enumerate(args)} | kwargs)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{title} cannot be made: {type(error).__name__}: {error}") from error
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _usual_argument(name: str) -> Any:
    word = name.lower()
    if INPUTS.match(word) or SIZES.match(word):
        return 4
    if OUTPUTS.match(word):
        return 3
    if word.startswith("w") or word in ("b", "bias", "gamma", "beta"):
        return _usual_size(name)
    return {"p": 0.5, "rate": 0.5, "dropout_ratio": 0.5, "alpha": 0.1, "slope": 0.1}.get(word)


def _object_cases(
    call: Made, shapes: Sequence[tuple[int, ...]], target: str | None, rng: np.random.Generator
) -> list[Case]:
    made, title, given = call
    forward = getattr(made, method_name(made, FORWARD))
    signature = inspect.signature(forward).parameters.values()
    required = [p.name for p in signature if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
    optional = [p.name for p in signature if p.default is not p.empty]
    count = max(1, len(required), len(shapes))
    second = required[1].lower() if len(required) > 1 else (optional[0].lower() if optional else "")
    is_loss = len(required) == 2 and (second in TARGETS - {"y"} or LOSS.search(type(made).__name__) is not None)
    if is_loss or target:
        refused: Exception | None = None
        for shape in shapes[:1] or [(LOSS_BATCH, 4), (LOSS_BATCH, 1), (LOSS_BATCH,)]:
            try:
                return _loss_cases(made, title, rng.standard_normal(shape), target, rng)
            except Exception as error:
                refused = refused or error
        raise refused or ValueError(f"{title} takes no target")
    if shapes:
        tried = [list(shapes) if len(shapes) == count else list(shapes[:1]) * count]
    else:
        tried = [[shape] * count for shape in likely_shapes(made, list(given.values()))]
        if count == 2:
            widths = list(dict.fromkeys(s[-1] for (s, *_) in tried if len(s) == 2))
            tried += [[(BATCH, a), (BATCH, b)] for a in widths for b in widths if a != b]
            tried += [[(BATCH, 4), (4, 3)], [(2, BATCH, 4), (2, BATCH, 4)]]
        elif count > 2:
            widths = list(dict.fromkeys(s[-1] for (s, *_) in tried if len(s) == 2))[:4]
            tried += [[(BATCH, n) for n in each] for each in product(widths, repeat=min(count, 3))]
    inputs = [(tuple(rng.standard_normal(s) for s in sizes), _said(sizes, "normal")) for sizes in tried]
    tables = dict.fromkeys([*(len(a) for a in _arrays(made) if a.ndim == 2), 3])
    integers = [
        ((rng.integers(0, high, size),), _said([size], "indices"))
        for high in (tables if count == 1 else ())
        for size in [*shapes, (BATCH,), (BATCH, 3)]
    ]

    def subject(inputs: tuple[Any, ...]) -> Subject:
        return subject_of(made, inputs, title)

    return [_fitting(subject, inputs, integers)]


def _said(sizes: list[Any], what: str) -> str:
    text = " and ".join(map(str, sizes))
    return f"x of shape {text}, {what}" if len(sizes) == 1 else f"inputs of shapes {text}, {what}"


def _arrays(made: Any) -> list[Array]:
    return [v for v in vars(made).values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]


def likely_shapes(made: Any, args: list[Any]) -> list[tuple[int, ...]]:
    """Return the shapes that x may have, by the weights and the numbers it was made with, likely ones first."""
    arrays = [p.data for p in made.parameters()] if isinstance(made, Module) else _arrays(made)
    for value in vars(made).values():
        arrays += [a for a in (value.values() if isinstance(value, dict) else ()) if isinstance(a, np.ndarray)]
        arrays += [a for a in (value if isinstance(value, list | tuple) else ()) if isinstance(a, np.ndarray)]
        arrays += _arrays(value) if hasattr(value, "__dict__") and not isinstance(value, type) else []
    channels = [a.shape[1] for a in arrays if a.ndim == 4] + [a.shape[0] for a in arrays if a.ndim == 1]
    widths = [a.shape[0] for a in arrays if a.ndim == 2] + [a.shape[1] for a in arrays if a.ndim == 2]
    widths += [a.size for a in arrays if a.ndim in (1, 2) and 1 in (a.ndim, *a.shape)]
    widths += [n for n in args if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    ints = [n for n in args if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    flat = [(BATCH, width) for width in dict.fromkeys([*widths, 4])]
    images = [(2, c, n, n) for c in dict.fromkeys([*channels, *ints[:1], 2]) for n in (5, 6)]
    kernels = [a.shape[1] for a in arrays if a.ndim == 3]
    rows = [(2, c, 7) for c in dict.fromkeys([*kernels, *ints[:1]])]
    steps = [(3, 4, width) for width in dict.fromkeys([*widths, 4])]
    pictures = [(2, 6, 6, c) for c in dict.fromkeys([*channels, 2])]
    first = flat if not any(a.ndim > 2 for a in arrays) else []
    columns = [(width, n) for n in (BATCH, 1) for width in dict.fromkeys(widths)]
    return [*first, *images, *rows, *steps, *flat, *pictures, (6, 6), (4,), (6,), *columns]


def _fitting(
    subject: Callable[[tuple[Any, ...]], Subject],
    inputs: list[tuple[tuple[Any, ...], str]],
    integers: list[tuple[tuple[Any, ...], str]],
) -> Case:
    """Return the first inputs that fit, with integers only if it takes no other."""
    try:
        return _first_that_fits(subject, inputs)
    except Exception as error:
        try:
            return _first_that_fits(subject, integers)
        except Exception:
            raise error from None


def _first_that_fits(
    subject: Callable[[tuple[Any, ...]], Subject], tried: list[tuple[tuple[Any, ...], str]]
) -> Case:
    """Return the first inputs that go through forward and come back as gradients of their shapes.

    Without any, the first that go forward and back; otherwise the error of the first is raised.
    """
    refused: Exception | None = None
    went: Case | None = None
    for inputs, said in tried:
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                made = subject(inputs)
                y = np.asarray(made.forward(*copy.deepcopy(inputs)))
                if y.dtype.kind != "f" or not y.size:
                    raise ValueError(
                        f"{made.title}: forward gives no floats of x of shape {np.shape(inputs[0])}"
                    )
                returned, more = made.backward(
                    np.ones_like(y) if made.takes_dy else 1.0, *copy.deepcopy(inputs)
                )
        except Exception as error:
            refused = refused or error
            continue
        case = Case(subject(inputs), inputs, said)  # one through which nothing went
        fits = all(
            getattr(returned.get(name), "shape", None) == v.shape for name, v in made.free(inputs).items()
        )
        if fits and np.isfinite(y).all() and not _is_one_column(inputs, more, made):
            return case
        went = went or case
    if went is not None:
        return went
    raise refused or ValueError("there are no inputs to try")


def _is_one_column(inputs: tuple[Any, ...], gradients: dict[str, Any], subject: Subject) -> bool:
    """Whether columns went through a layer whose bias has the gradient of each: it is written for one."""
    if len(inputs) != 1 or np.shape(inputs[0])[1:] != (BATCH,):
        return False
    known = {name: array for name, array in subject.parameters.items() if gradients.get(name) is not None}
    shapes = [(np.shape(gradients[name]), array.shape) for name, array in known.items()]
    return any(got[1:] == (BATCH,) and wanted[1:] == (1,) for got, wanted in shapes)


def _loss_cases(thing: Any, title: str, x: Array, target: str | None, rng: np.random.Generator) -> list[Case]:
    """Return a case for each kind of prediction and target that a loss takes, as far as its value is finite."""
    found: list[Case] = []
    refused: Exception | None = None
    for prediction, p in predictions(x, rng).items():
        for kind, t in foreign_targets(x, rng).items():
            if target not in (None, kind):
                continue
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                    subject = subject_of(thing, (p, t), title)
                    if not np.isfinite(subject.forward(p.copy(), t.copy())).all():
                        continue
            except Exception as error:
                refused = refused or error
                continue
            subject.is_loss, subject.takes_dy = True, False
            said = f"prediction of shape {p.shape}, {prediction}; target: {kind}"
            found.append(Case(subject, (p, t), said, f"{prediction} {kind}"))
    if not found:
        raise refused or ValueError(f"{title} gives no finite number for any target")
    return found


def predictions(x: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Normal numbers, and probabilities."""
    return {"normal": 1.5 * x, "probabilities": drawn_targets(x, rng)["probabilities"]}


def foreign_targets(x: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Targets by kind: one-hot rows, class indices, normal numbers, probabilities, signs, and 0 or 1."""
    drawn = drawn_targets(x, rng)
    found = {}
    if x.ndim == 2 and x.shape[1] > 1:
        found["one-hot"] = np.eye(x.shape[1])[drawn["classes"]]
        found["classes"] = drawn["classes"]
    found |= {"normal": drawn["normal"], "probabilities": drawn["probabilities"]}
    found["signs"] = rng.choice([-1.0, 1.0], x.shape)
    found["bits"] = rng.integers(0, 2, x.shape).astype(float)
    return found


def choose(
    cases: Sequence[Case], examine: Callable[[Case], Diagnosis], has_domain: bool
) -> tuple[Case, Diagnosis]:
    """Return the case that counts for a loss, with what was found.

    A loss over classes is wrong for targets that are any numbers, and still right: one kind of target is
    enough. Of one-hot rows and class indices both have to be right where it takes them. Predictions that
    are probabilities count where the others do not exist, or the loss `has_domain`, with a logarithm in it.
    """
    if len(cases) == 1:
        return cases[0], examine(cases[0])
    wrong: list[tuple[Case, Diagnosis]] = []
    right: list[tuple[Case, Diagnosis]] = []
    for prediction in ("normal", "probabilities"):
        group = [case for case in cases if case.kind.startswith(prediction)]
        for case in sorted(group, key=lambda case: not case.is_over_classes):
            if right and not case.is_over_classes:
                break
            found = examine(case)
            (right if found else wrong).append((case, found))
            if case.is_over_classes and not found:
                right.clear()
                break
        if right:
            return right[0]
        if group and not has_domain:
            break

    def unnamed(case: tuple[Case, Diagnosis]) -> tuple[int, bool]:
        count = sum(finding.mistake == UNNAMED for finding in case[1].findings)
        return count, has_domain and not case[0].kind.startswith("probabilities")

    return min(wrong, key=unnamed)
