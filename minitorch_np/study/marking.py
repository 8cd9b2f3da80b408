"""Marks for what was handed in: each gradient right or wrong, the cause, and points."""

from __future__ import annotations

import copy
import importlib
import inspect
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.serialization.parse import GUESSES, SIZES, load, load_module, parse_call, place
from minitorch_np.study.candidates import (
    Case,
    argument,
    cases,
    choose,
    foreign_targets,
    is_foreign,
    likely_shapes,
    made,
)
from minitorch_np.study.gradcheck import Diagnosis, Finding, diagnose
from minitorch_np.study.mistakes import UNNAMED, forward_mistake
from minitorch_np.study.repairs import SECONDS
from minitorch_np.study.subjects import subject_of
from minitorch_np.study.targets import accepted_target, drawn_input, drawn_targets, usual_shape

TARGETS = ("normal", "classes", "probabilities", "one-hot", "signs", "bits")
ANOTHER = "a right gradient of another function"


class Options(NamedTuple):
    """How to examine: shapes of the inputs, the kind of target, what it should be like, and tolerances."""

    shapes: tuple[tuple[int, ...], ...] = ()
    target: str | None = None
    like: str | None = None
    seed: int = 0
    eps: float = 1e-6
    atol: float = 1e-5
    rtol: float = 1e-3
    seconds: float = SECONDS  # that a repair of the source is looked for

    def examined(self, thing: Any, inputs: tuple[Any, ...]) -> Diagnosis:
        return diagnose(
            thing, *inputs, eps=self.eps, atol=self.atol, rtol=self.rtol, rng=self.seed, seconds=self.seconds
        )


@dataclass(frozen=True)
class Mark:
    """What came of it: `right`, `wrong`, `fails` or `?` for the whole, for forward and for each gradient."""

    title: str
    verdict: str
    forward: str = "fails"
    gradients: Mapping[str, str] = field(default_factory=dict)
    cause: str = ""
    text: str = ""

    @property
    def points(self) -> int:
        return [self.forward, *self.gradients.values()].count("right")

    @property
    def code(self) -> int:
        return {"right": 0, "?": 2}.get(self.verdict, 1)


def mark(call: str, options: Options) -> Mark:
    """Return the mark of `FILE.py:NAME(…)`, or of a layer that is here.

    Raises ValueError if there is no such file or name, or if it cannot be made.
    """
    found = foreign(call)
    if found is None:
        thing = load(call)
        title = _title(call, thing)
    else:
        ready = made(found, call.partition(".py:")[2] or call.rpartition(":")[2], options.shapes, options.seed)
        thing, title = ready.thing, ready.title
    said = ""
    try:
        with redirect_stdout(StringIO()):  # what forward prints would come a thousand times
            if found is None:
                inputs, said = example(thing, options)
                case = Case(subject_of(thing, inputs), inputs, said)
                diagnosis = options.examined(thing, inputs)
            else:
                tried = cases(ready, options.shapes, options.target, options.seed)
                case, diagnosis = choose(
                    tried, lambda c: options.examined(c.subject, c.inputs), has_domain(found)
                )
    except (Exception, SystemExit) as error:
        cause = place(error)
        if isinstance(error, ValueError) and ("matmul" in cause or "not aligned" in cause):
            cause += " (is a .T missing or too much?)"
        heading = [f"{title}, {said}"] if said else []
        return Mark(title, "fails", cause=cause, text="\n".join([*heading, f"{title} fails: {cause}"]))
    diagnosis.subject = title
    try:
        difference = likeness(case, options.like, call) if options.like else ""
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, ImportError) as error:
        raise ValueError(f"{title} cannot be compared with {options.like}: {error}") from error
    return _mark(title, case, diagnosis, difference, options.like or "")


def _title(call: str, thing: Any) -> str:
    """The call that was given, for a file; otherwise the one that builds it."""
    name, arguments_of_it = call.rpartition(".py:")[2], "(" in call
    return name if ".py:" in call and arguments_of_it else repr(thing)


def foreign(call: str) -> Any:
    """Return what the call names if it is not made of this package's classes; None otherwise."""
    if ":" not in call.partition("(")[0]:
        return None
    source, _, name = call.partition("(")[0].rpartition(":")
    module = load_module(source)
    found = getattr(module, name.strip(), None)
    if found is None:
        own = {k: v for k, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__}
        known = [k for k, v in own.items() if is_foreign(v) and not k.startswith("_")]
        raise ValueError(f"{source} has no {name}; it has {', '.join(known) or 'no layer and no loss'}")
    kind = found if isinstance(found, type) else type(found)
    return found if is_foreign(found) and not issubclass(kind, Layer | Loss) else None


def has_domain(found: Any) -> bool:
    """Whether a logarithm or a limit stands in its source, so that it may want probabilities."""
    try:
        text = inspect.getsource(found if inspect.isfunction(found) or isinstance(found, type) else type(found))
    except (OSError, TypeError):
        return True
    return "log" in text or "clip" in text


def example(subject: Any, options: Options) -> tuple[tuple[Any, ...], str]:
    """Return inputs that a layer or a loss of this package accepts, and a text that says what they are."""
    rng = np.random.default_rng(options.seed)
    usual = usual_shape(subject, 5) if isinstance(subject, Layer) else (5, 4)
    size = options.shapes[0] if options.shapes else usual or _shape_that_fits(subject, rng)
    x = drawn_input(subject, size, rng)
    if not isinstance(subject, Loss):
        return (x,), f"x of shape {size}, {'normal' if x.dtype.kind == 'f' else 'indices'}"
    refused: Exception | None = None
    for kind, prediction in (("normal", x), ("probabilities", drawn_targets(x, rng)["probabilities"])):
        drawn = drawn_targets(x, rng)
        if options.target:
            kinds = drawn | foreign_targets(x, rng)
            drawn = {options.target: kinds[options.target]} if options.target in kinds else {}
        try:
            found = accepted_target(subject, prediction, drawn)
        except (TypeError, ValueError, IndexError) as error:
            refused = refused or error
        else:
            return (prediction, drawn[found]), f"prediction of shape {size}, {kind}; target: {found}"
    raise refused or ValueError(f"{subject!r} accepts no target")


def _shape_that_fits(layer: Layer, rng: np.random.Generator) -> tuple[int, ...]:
    """The first of the likely shapes that the layer takes; of rows, for its error, if it takes none."""
    shapes = [(5, 4), *likely_shapes(layer, [])]
    for shape in shapes:
        try:
            with np.errstate(all="ignore"):
                if np.size(copy.deepcopy(layer)(drawn_input(layer, shape, rng))):
                    return shape
        except Exception:
            continue
    return shapes[0]


def _mark(title: str, case: Case, found: Diagnosis, difference: str, like: str) -> Mark:
    lines, gradients = [f"{title}, {case.said}"], {}
    for name in [*case.subject.free(case.inputs), *case.subject.parameters]:
        worst = found.errors.get(name, np.nan)
        wrong = any(finding.name == name for finding in found.findings)
        if name not in found.errors and not wrong:
            continue  # a constant, for which backward returns nothing
        verdict = "wrong" if wrong else "?" if np.isnan(worst) else "right"
        gradients[name] = verdict
        if verdict == "?" and name in found.errors:
            lines.append(f"  ?      {name}, cannot be told from difference quotients")
        elif name in found.errors:
            label = "WRONG" if wrong else "right"
            lines.append(f"  {label:5}  {name}, largest error {worst:.1e} of the largest slope")
    text = str(found)
    if difference:
        lines.append(f"  WRONG  forward: {difference}")
        text = text if not found else text.replace(" is right", f" has {ANOTHER} than {like}", 1)
    lines.append(text)
    remarks = list(dict.fromkeys(found.remarks))
    if isinstance(case.subject.thing, Layer) and found and not difference:
        remarks += further_remarks(case.subject.thing, case.inputs[0])
    lines += [f"  also: {remark}" for remark in remarks]
    verdict = "wrong" if difference or not found else "?" if found.unjudged else "right"
    causes = [_cause(finding) for finding in found.findings]
    if found.repair is not None and not any(_is_named(finding) for finding in found.findings):
        causes = [f"line {found.repair.line}: right would be {found.repair.right}"]
    if difference:
        causes.append(f"forward: {difference}" + (f"; {ANOTHER}" if found else ""))
    return Mark(
        title, verdict, "wrong" if difference else "right", gradients, "; ".join(causes[:2]), "\n".join(lines)
    )


def _is_named(finding: Finding) -> bool:
    return bool(finding.mistake) and finding.mistake != UNNAMED


def _cause(finding: Finding) -> str:
    return f"{finding.name}: {finding.mistake if _is_named(finding) else finding.what}".splitlines()[0]


def likeness(case: Case, like: str, call: str) -> str:
    """Return how forward differs from that of a layer or loss that is here, or in torch; "" if it does not.

    The parameters of the other are given the numbers of this one's, in order, transposed where that fits.
    """
    subject, inputs = case.subject, [copy.deepcopy(value) for value in case.inputs]
    rng = np.random.default_rng(0)
    for array in subject.parameters.values():
        if array.size and np.ptp(array) == 0:  # a γ that is 1 tells nothing
            array += rng.uniform(0.5, 1.5, array.shape)
    own = [*list(subject.free(inputs).values())[1:], *subject.parameters.values()]
    y = np.asarray(subject.forward(*inputs))
    other = reference(like, call, own, _sizes(case.inputs[0], y, own))
    count = 2 if subject.is_loss else 1
    expected = other(*[copy.deepcopy(value) for value in case.inputs[:count]])
    if y.shape != expected.shape:
        return f"y has the shape {y.shape}, {like} gives {expected.shape}"
    if np.allclose(y, expected, rtol=1e-4, atol=1e-6):
        return ""
    if not np.array_equal(y, np.asarray(subject.forward(*inputs))):
        return _of_masks(y, expected, np.asarray(inputs[0]), like)
    at = tuple(map(int, np.unravel_index(np.abs(y - expected).argmax(), y.shape))) if y.ndim else ()
    numbers = f"y{list(at) if at else ''} is {y[at]:.6g}, {like} gives {expected[at]:.6g}"
    with np.errstate(all="ignore"):
        cause = forward_mistake(y, expected, case.inputs[0])
    return numbers + (f": {cause}" if cause else "")


def _of_masks(y: Any, expected: Any, x: Any, like: str) -> str:
    """How a layer that draws a mask differs from another one, whose mask is another."""
    if y.shape != x.shape or not y.any() or not expected.any():
        return ""
    mine, theirs = (float(np.median(a[a != 0] / x[a != 0])) for a in (y, expected))
    if np.isclose(mine, theirs, rtol=1e-4):
        return ""
    return f"what it keeps is {mine:.4g} times x, what {like} keeps {theirs:.4g} times"


def _sizes(x: Any, y: Any, arrays: list[Any]) -> dict[str, int]:
    """The arguments that a layer from here or torch needs, as far as the arrays tell them."""
    found = {"in_features": x.shape[-1], "out_features": y.shape[-1]} if x.ndim and y.ndim else {}
    if x.ndim > 1:
        found |= dict.fromkeys(SIZES, x.shape[1])
    for kernel in (array for array in arrays if array.ndim > 2):
        found |= {
            "out_channels": kernel.shape[0],
            "in_channels": kernel.shape[1],
            "kernel_size": kernel.shape[2],
        }
    return found


def reference(like: str, call: str, arrays: list[Any], sizes: dict[str, int]) -> Any:
    """Return the forward pass of a layer or a loss by its name, from here or from torch, with these weights."""
    given = _arguments_of(call)
    if like.startswith("torch"):
        return _of_torch(like, given, arrays, sizes)
    try:
        layer = _with_arguments(like, given, partial(load, guesses=GUESSES | sizes))
    except ValueError as error:
        try:
            return _of_torch(f"torch.nn.{like}", given, arrays, sizes)
        except (ImportError, AttributeError):
            raise error from None
    parameters = list(layer.parameters()) if isinstance(layer, Layer) else []
    for parameter, numbers in _assigned(parameters, arrays):
        parameter.data[...] = numbers
    return lambda *inputs: np.asarray(layer(*inputs))


def _arguments_of(call: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The name and the arguments of what is examined; without them if they are layers."""
    text = call.partition(".py:")[2] or call.rpartition(":")[2]
    try:
        return parse_call(text, argument)
    except ValueError:
        return text.partition("(")[0], [], {}


def _with_arguments(like: str, given: Any, build: Any) -> Any:
    """Build it as it is named; without arguments, with those of what is compared to it, where they fit."""
    _, args, kwargs = given
    if "(" not in like and (args or kwargs) and all(isinstance(a, int | float | bool) for a in args):
        text = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
        try:
            return build(f"{like}({text})")
        except (TypeError, ValueError):
            pass
    return build(like)


def _assigned(parameters: list[Any], arrays: list[Any]) -> list[tuple[Any, Any]]:
    left, found = list(arrays), []
    for parameter in parameters:
        shape = tuple(parameter.shape)
        for array in left:
            fits = array if array.shape == shape else array.T if array.T.shape == shape else None
            fits = array.reshape(shape) if fits is None and array.size == np.prod(shape) else fits
            if fits is not None:
                found.append((parameter, fits))
                left = [a for a in left if a is not array]
                break
        else:
            found.append((parameter, np.zeros(shape)))
    return found


def _of_torch(like: str, given: Any, arrays: list[Any], sizes: dict[str, int]) -> Any:
    """A function or a layer of torch, in float64."""
    path, _, _ = like.partition("(")
    torch: Any = importlib.import_module("torch")

    def build(text: str) -> Any:
        _, args, kwargs = parse_call(text.replace(path, "made"))
        found = torch
        for part in path.split(".")[1:]:
            found = getattr(found, part)
        if not isinstance(found, type):
            return found
        if not (args or kwargs):
            needed = inspect.signature(found).parameters.values()
            kwargs = {p.name: sizes[p.name] for p in needed if p.default is p.empty and p.name in sizes}
        return found(*args, **kwargs)

    layer = _with_arguments(like, given, build)
    if isinstance(layer, torch.nn.Module):
        layer = layer.double()
        with torch.no_grad():
            for parameter, numbers in _assigned(list(layer.parameters()), arrays):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(numbers)))

    def forward(*inputs: Any) -> Any:
        with torch.no_grad():
            return layer(*map(torch.from_numpy, inputs)).numpy()

    return forward


def _is_deliberate(error: BaseException) -> bool:
    """Whether a layer raised it itself, by a raise statement in its file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    lines = inspect.getinnerframes(trace, 1)[-1].code_context if trace is not None else None
    return isinstance(error, ValueError) and bool(lines) and "raise " in "".join(lines or [])


def further_remarks(layer: Layer, x: Any) -> list[str]:
    """What else a layer of this package should do and does not; what it refuses with a reason is left out."""
    found = []

    def attempt(what: str, x: Any, made: Layer) -> Any:
        try:
            with warnings.catch_warnings(action="ignore"):
                y = made(x)
                made.backward(y)
        except (Exception, SystemExit) as error:
            if _is_deliberate(error):
                return None
            found.append(f"{what}: {place(error)}")
            return None
        return y

    if x.ndim > 1:
        attempt("a batch of one fails", x[:1], copy.deepcopy(layer))
        attempt("an empty batch fails", x[:0], copy.deepcopy(layer))
    single = x.astype("float32") if x.dtype.kind == "f" else x
    y = attempt("float32 fails", single, copy.deepcopy(layer).astype("float32"))
    if y is not None and y.dtype != np.float32:
        found.append(f"float32 becomes {y.dtype}: are its constants Python numbers?")
    try:
        copy.deepcopy(layer).backward(np.zeros_like(x))
        found.append(
            "backward without a forward is not an error: save_for_backward(...) and saved(dy) make it one"
        )
    except (Exception, SystemExit):
        pass
    return found
