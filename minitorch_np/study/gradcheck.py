"""The gradient doctor: is a gradient right, and if not, what is probably wrong with it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.sequential import input_gradient
from minitorch_np.losses.loss import Loss
from minitorch_np.study.diagnosis import Diagnosis
from minitorch_np.study.differences import central, compare
from minitorch_np.study.evidence import Evidence, alike
from minitorch_np.study.mistakes import suspect
from minitorch_np.study.snapshot import Snapshot

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


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
    Names and defaults as in torch.autograd.gradcheck.
    """
    found = diagnose(subject, *inputs, eps=eps, atol=atol, rtol=rtol, rng=rng)
    if raise_exception and not found:
        raise ValueError(str(found))
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
    examination = _Examination(subject, inputs)
    try:
        if isinstance(rng, int):
            rng = np.random.default_rng((rng, 1))  # x is often drawn with the same seed, and dy not to be x
        return examination.diagnose(np.random.default_rng(rng), eps=eps, atol=atol, rtol=rtol)
    finally:
        examination.put_back()


class _Examination:
    """A layer or a loss on a table: y as a function of x and of the parameters, and its gradients."""

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
        return found

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
            found.add(name, what, suspect(evidence))
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
            found.add(name, what, suspect(evidence))
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
