"""Gradient check: gradients against difference quotients, and the mistake that explains a wrong one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.reprs import constructor_arguments
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.sequential import input_gradient
from minitorch_np.losses.loss import Loss
from minitorch_np.study.mistakes import Evidence, alike, likely_mistake
from minitorch_np.study.snapshot import Snapshot

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Finding(NamedTuple):
    """Something wrong: with which gradient, what was measured, and what probably causes it."""

    name: str
    what: str
    mistake: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.what}" + (f"\n    {self.mistake}" if self.mistake else "")


class Diagnosis:
    """The result of a gradient check, true if there are no `findings`.

    `errors` has the worst error of each gradient, `notes` what else is worth knowing.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.findings: list[Finding] = []
        self.errors: dict[str, float] = {}
        self.kinks: dict[str, int] = {}
        self.notes: list[str] = []

    def __bool__(self) -> bool:
        return not self.findings

    def add(self, name: str, what: str, mistake: str = "") -> None:
        self.findings.append(Finding(name, what, mistake))

    def __str__(self) -> str:
        lines = [f"{self.subject} has a wrong gradient:" if self.findings else f"{self.subject} is right"]
        lines += [f"  {finding}" for finding in self.findings]
        lines += [f"  {name}: {count} elements stand on a kink" for name, count in self.kinks.items() if count]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


FINER = 8  # how much shorter the second step is: a bend becomes straighter by that much, a kink does not


class Slopes(NamedTuple):
    """∂f/∂v by differences, `low` and `high` apart only at a kink, and where a gradient is none of them."""

    numeric: Array
    low: Array
    high: Array
    wrong: Array


def central(f: Callable[[], float], v: Array, eps: float) -> Array:
    """(f(v + eps) − f(v − eps)) / 2 eps for each element of v, which f depends on."""
    slope = np.empty_like(v)
    for index in np.ndindex(v.shape):
        below, above = _around(f, v, index, eps)
        slope[index] = (above - below) / (2 * eps)
    return slope


def compare(
    gradient: Array, f: Callable[[], float], v: Array, *, eps: float, atol: float, rtol: float
) -> Slopes:
    """The slopes of f, and where `gradient` differs from them by more than atol + rtol · |slope|."""
    numeric = central(f, v, eps)
    low, high = numeric.copy(), numeric.copy()
    allowed = atol + rtol * np.abs(numeric)
    for index in map(tuple, np.argwhere(~(np.abs(gradient - numeric) <= allowed))):
        left, right = _one_sided(f, v, index, eps)
        finer = _one_sided(f, v, index, eps / FINER)
        gap = abs(right - left)
        if gap > 2 * allowed[index] and abs(finer[1] - finer[0]) > gap / 2:
            low[index], high[index] = min(left, right), max(left, right)
    wrong = ~((gradient >= low - allowed) & (gradient <= high + allowed))
    return Slopes(numeric, low, high, wrong)


def _one_sided(f: Callable[[], float], v: Array, index: tuple[int, ...], eps: float) -> tuple[float, float]:
    (below, above), here = _around(f, v, index, eps), f()
    return (here - below) / eps, (above - here) / eps


def _around(f: Callable[[], float], v: Array, index: tuple[int, ...], eps: float) -> tuple[float, float]:
    """f at v − eps and at v + eps in one element, which is put back."""
    kept = v[index]
    try:
        v[index] = kept - eps
        below = f()
        v[index] = kept + eps
        above = f()
    finally:
        v[index] = kept
    return below, above


def gradcheck(
    subject: Layer | Loss,
    *inputs: Array,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    rng: np.random.Generator | int | None = None,
) -> bool:
    """Compare the gradients of the input and of every parameter with (f(v + eps) − f(v − eps)) / 2 eps.

    For a layer f = Σ y · dy with a random dy, so that an error which cancels in Σ y is found; for a
    loss f is its value for (prediction, target), with reduction "none" Σ values · dy. Everything has to
    be float64. Random masks and running statistics are the same in every evaluation, and whatever is
    changed on the way is put back. At a kink, any slope between its two sides is right.

    Raises ValueError that names the gradient, the worst element and both values where they differ
    by more than atol + rtol · |numeric|, and the usual mistake that explains it; returns False instead
    with `raise_exception=False`. `diagnose` returns all that was found.
    An array that the output depends on and that is neither a Parameter nor a buffer is pointed out by
    a warning. Names and defaults as in torch.autograd.gradcheck.
    """
    found = diagnose(subject, *inputs, eps=eps, atol=atol, rtol=rtol, rng=rng)
    if raise_exception and not found:
        raise ValueError(str(found))
    for note in found.notes:
        warnings.warn(f"{subject!r}: {note}", UserWarning, stacklevel=2)
    return bool(found)


def diagnose(
    subject: Layer | Loss,
    *inputs: Array,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    rng: np.random.Generator | int | None = None,
) -> Diagnosis:
    """`gradcheck`, with all that it found."""
    check = _Check(subject, inputs)
    try:
        if isinstance(rng, int):
            rng = np.random.default_rng((rng, 1))  # x is often drawn with the same seed, and dy not to be x
        return check.diagnose(np.random.default_rng(rng), eps=eps, atol=atol, rtol=rtol)
    finally:
        check.put_back()


class _Check:
    """A layer or a loss, its y as a function of x and of the parameters, and its gradients."""

    def __init__(self, subject: Layer | Loss, inputs: tuple[Any, ...]) -> None:
        self.is_loss = isinstance(subject, Loss)
        if len(inputs) != (2 if self.is_loss else 1):
            raise ValueError(
                f"gradcheck expects (layer, x) or (loss, prediction, target), got {len(inputs)} inputs"
            )
        self.subject: Any = subject
        self.takes_dy = not isinstance(subject, Loss) or subject.reduction == "none"
        self.x = np.array(inputs[0], dtype=np.float64)
        if not np.isfinite(self.x).all():
            raise ValueError(f"gradcheck of {subject!r} expects finite numbers")
        self.target = inputs[1:]
        self.parameters = {} if isinstance(subject, Loss) else dict(subject.named_parameters())
        if any(parameter.dtype != np.float64 for parameter in self.parameters.values()):
            raise ValueError(f"gradcheck expects a float64 layer, {subject!r} is not: float32 is too coarse")
        self.weights = tuple(parameter.data for parameter in self.parameters.values())
        self.snapshot = Snapshot(subject)

    def put_back(self) -> None:
        self.snapshot.restore()
        self.snapshot.restore_parameters()

    def y(self) -> Array:
        """A copy of the output, always from the state in which the subject was found."""
        self.snapshot.restore()
        return np.array(self.subject(self.x.copy(), *self.target))

    def backward(self, dy: Array, x: Array) -> tuple[Any, dict[str, Array]]:
        """What forward and then backward make of x and dy: dx as returned, copies of the rest."""
        for parameter in self.parameters.values():
            parameter.zero_grad()
        self.subject(x, *self.target)
        if self.is_loss:
            dx = self.subject.backward(dy) if self.takes_dy else self.subject.backward()
        else:
            dx = input_gradient(self.subject, dy)
        return dx, {name: parameter.grad.copy() for name, parameter in self.parameters.items()}

    def diagnose(self, rng: np.random.Generator, *, eps: float, atol: float, rtol: float) -> Diagnosis:
        found = Diagnosis(repr(self.subject))
        y = self.y()
        if not np.array_equal(y, self.y(), equal_nan=True):
            found.add("y", "forward gives different numbers for the same x: draw from a Generator it holds")
            return found
        dy = np.array(rng.standard_normal(y.shape)) if self.takes_dy else np.ones(())
        x_given, dy_given = self.x.copy(), dy.copy()
        self.snapshot.restore()
        returned, gradients = self.backward(dy_given, x_given)
        name = "prediction" if self.is_loss else "x"
        for what, given, before in ((name, x_given, self.x), ("dy", dy_given, dy)):
            if not np.array_equal(given, before):
                found.add(what, "the caller's array was written into: work on a copy, or without +=, *=")
        for parameter_name, parameter in self.parameters.items():
            if not parameter.has_grad:
                fix = "add_grad(...) or an assignment to .grad puts one there"
                found.add(parameter_name, "backward left no gradient in it", fix)
                gradients.pop(parameter_name)
        dx = np.array(returned) if isinstance(returned, np.ndarray) else returned
        variables = {name: (self.x, dx)}
        variables |= {n: (self.parameters[n].data, gradient) for n, gradient in gradients.items()}
        for variable, (v, gradient) in variables.items():
            self._judge(found, variable, v, gradient, y, dy, eps=eps, atol=atol, rtol=rtol)
        if found:
            self._repeat(found, name, returned, dx, gradients, dy, rng)
            self._note_plain_weights(found, y)
        return found

    def _note_plain_weights(self, found: Diagnosis, y: Array) -> None:
        """Note the arrays of floats that y depends on and that no gradient exists for.

        Arguments of the constructor are taken for constants.
        """
        for place, layer in [] if self.is_loss else self.subject.named_modules():
            known = {*layer.buffer_names, *constructor_arguments(type(layer))}
            for name, value in list(vars(layer).items()):
                plain = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.flags.writeable
                if not plain or name in known:
                    continue
                self.snapshot.restore()
                value *= 1.01
                value += 1e-3
                try:
                    changed = not np.array_equal(self.subject(self.x.copy()), y, equal_nan=True)
                except (ArithmeticError, LookupError, TypeError, ValueError):
                    changed = False
                if changed:
                    found.notes.append(
                        f"{place}.{name}".lstrip(".")
                        + " is an array that the output depends on, and no gradient of it "
                        "was checked: make it a Parameter if it is learned, or name it in buffer_names"
                    )
        self.snapshot.restore()

    def _judge(
        self, found: Diagnosis, name: str, v: Array, gradient: Any, y: Array, dy: Array, **how: float
    ) -> None:
        """Compare one gradient with the slopes; where it is wrong, look for the cause."""

        def right_for(upstream: Array) -> Array:
            return central(lambda: float((self.y() * upstream).sum()), v, how["eps"])

        if not isinstance(gradient, np.ndarray):
            found.add(
                name, f"backward should return an array of shape {v.shape}, got {type(gradient).__name__}"
            )
            return
        derivative = self.subject.derivative if isinstance(self.subject, Activation) else None
        known = (self.x, y, dy, right_for, derivative, self.weights)
        if gradient.shape != v.shape:
            evidence = Evidence(name, gradient, right_for(dy), *known)
            what = f"the gradient should be an array of shape {v.shape}, got {gradient.shape}"
            found.add(name, what, likely_mistake(evidence))
            return
        slopes = compare(gradient, lambda: float((self.y() * dy).sum()), v, **how)
        kinks = slopes.low < slopes.high
        found.kinks[name] = int(kinks.sum())
        largest = float(np.abs(slopes.numeric).max(initial=0)) or 1.0
        off = np.where(kinks & ~slopes.wrong, 0, np.abs(gradient - slopes.numeric))
        found.errors[name] = float(off.max(initial=0)) / largest
        if slopes.wrong.any():
            at = tuple(map(int, np.unravel_index(np.where(slopes.wrong, _size(off), -1).argmax(), off.shape)))
            what = (
                f"at {list(at)} backward says {gradient[at]}, the difference quotient {slopes.numeric[at]}; "
                f"wrong in {int(slopes.wrong.sum())} of {v.size} elements"
            )
            evidence = Evidence(name, gradient, slopes.numeric, *known)
            found.add(name, what, likely_mistake(evidence))
        elif v.size and kinks.all():
            found.add(name, "every element stands on a kink, so nothing was checked: choose another x")

    def _repeat(
        self,
        found: Diagnosis,
        name: str,
        returned: Any,
        dx: Array,
        gradients: dict[str, Array],
        dy: Array,
        rng: np.random.Generator,
    ) -> None:
        """The gradients are right the first time; are they after other numbers went through?"""
        if self.is_loss:
            return
        self.snapshot.restore()
        other = rng.standard_normal(self.x.shape)
        _, others = self.backward(dy, other)
        if not np.array_equal(returned, dx):
            found.add(name, "the array that backward returned was overwritten by the next backward")
        again, repeated = self.backward(dy, self.x.copy())
        for variable, first, second in [(name, dx, np.array(again))] + [
            (n, gradient, repeated[n]) for n, gradient in gradients.items()
        ]:
            if variable in others and alike(second, first + others[variable]) and others[variable].any():
                what = "adds to itself from call to call: zero_grad() does not clear what it is added to"
                found.add(variable, "right at the first backward only", what)
            elif first.any() and not alike(second, first) and not self._is_random():
                what = "it looks like that of an earlier x: what forward keeps must be new at every call"
                found.add(variable, "right at the first backward only", what)

    def _is_random(self) -> bool:
        """Whether two forwards without a restored state differ, as with dropout and running statistics."""
        self.snapshot.restore()
        first, second = (np.array(self.subject(self.x.copy())) for _ in range(2))
        return not np.array_equal(first, second)


def _size(off: Array) -> Array:
    return np.where(np.isnan(off), np.inf, off)
