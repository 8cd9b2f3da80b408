"""Gradient check: gradients against difference quotients, and the mistake that explains a wrong one."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.reprs import constructor_arguments
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.sequential import input_gradient
from minitorch_np.losses.loss import Loss
from minitorch_np.parameter import Parameter
from minitorch_np.study.mistakes import Evidence, alike, likely_mistake
from minitorch_np.study.quotients import Quotients, judged
from minitorch_np.study.snapshot import Snapshot

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


SPOTS = 12  # elements of each gradient that are looked at for other inputs


class Finding(NamedTuple):
    """Something wrong: with which gradient, what was measured, and what probably causes it."""

    name: str
    what: str
    mistake: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.what}" + (f"\n    {self.mistake}" if self.mistake else "")


class Diagnosis:
    """The result of a gradient check, true if there are no `findings`.

    `errors` has the worst error of each gradient, `untold` how many of its elements difference quotients
    cannot tell, `notes` what else is worth knowing.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.findings: list[Finding] = []
        self.errors: dict[str, float] = {}
        self.kinks: dict[str, int] = {}
        self.untold: dict[str, int] = {}
        self.notes: list[str] = []

    def __bool__(self) -> bool:
        return not self.findings

    def add(self, name: str, what: str, mistake: str = "") -> None:
        self.findings.append(Finding(name, what, mistake))

    @property
    def unjudged(self) -> list[str]:
        """The gradients of which no element can be told."""
        return [name for name, error in self.errors.items() if np.isnan(error)]

    def __str__(self) -> str:
        lines = [f"{self.subject} has a wrong gradient:" if self.findings else f"{self.subject} is right"]
        if self.unjudged and not self.findings:
            names = ", ".join(self.unjudged)
            lines = [f"{self.subject}: difference quotients cannot tell the gradient of {names} here"]
        lines += [f"  {finding}" for finding in self.findings]
        lines += [f"  {name}: {count} elements stand on a kink" for name, count in self.kinks.items() if count]
        lines += [
            f"  {name}: {count} elements cannot be told from difference quotients: their error is too large"
            for name, count in self.untold.items()
            if count
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def gradcheck(
    subject: Layer | Loss,
    *inputs: Array,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    rng: np.random.Generator | int | None = None,
) -> bool:
    """Compare the gradients of the input and of every parameter with (f(v + h) − f(v − h)) / 2h.

    For a layer f = Σ y · dy with a random dy, so that an error which cancels in Σ y is found; for a
    loss f is its value for (prediction, target), with reduction "none" Σ values · dy. Random masks and
    running statistics are the same in every evaluation, and whatever is changed on the way is put back.

    h is `eps` times the size of the element; where that does not agree, steps of many sizes are tried, and
    the slope of those that agree best counts, with an estimate of its own error. At a kink, any slope
    between its two sides is right. What cannot be told, such as the gradient of a function that is made of
    steps, is neither right nor wrong: a warning says so. A float32 layer is checked in float64, and its own
    gradients against those.

    Integers that a layer looks up have no gradient, and only those of the parameters are compared; the row
    `padding_idx` of an Embedding counts as a constant.

    Then the same for other inputs made of x, as far as the layer takes them: with zeros, 10 times as large, a
    hundredth, of the other sign, a batch of one and a larger one; and whether backward is linear in dy
    and adds to the gradients of the parameters.

    Raises ValueError that names the gradient, the worst element and both values where they differ
    by more than rtol · |slope| + atol · the largest slope (or 1, if that is less) + the error of the slope,
    and the usual mistake that explains it; returns False instead with `raise_exception=False`.
    `diagnose` returns all that was found. An array that the output depends on and that is neither a
    Parameter nor a buffer is pointed out by a warning. Names and defaults as in torch.autograd.gradcheck.
    """
    found = diagnose(subject, *inputs, eps=eps, atol=atol, rtol=rtol, rng=rng)
    if raise_exception and not found:
        raise ValueError(str(found))
    for text in [str(found)] if found and found.unjudged else [f"{subject!r}: {n}" for n in found.notes]:
        warnings.warn(text, UserWarning, stacklevel=2)
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
    if isinstance(rng, int):
        rng = np.random.default_rng((rng, 1))  # x is often drawn with the same seed, and dy not to be x
    generator = np.random.default_rng(rng)
    if isinstance(subject, Layer) and subject.dtype == np.float32:
        double = copy.deepcopy(subject).astype(np.float64)
        found = diagnose(double, *inputs, eps=eps, atol=atol, rtol=rtol, rng=generator)
        found.subject = repr(subject)
        if found:
            _compare_precisions(found, subject, double, np.asarray(inputs[0]), generator)
        return found
    check = _Check(subject, inputs)
    try:
        found = check.diagnose(generator, eps=eps, atol=atol, rtol=rtol)
        for what, others in _other_inputs(check, generator):
            if found:
                _Check(subject, others).spot_check(found, what, generator, eps=eps, atol=atol, rtol=rtol)
        return found
    finally:
        check.put_back()


def _compare_precisions(
    found: Diagnosis, subject: Layer, double: Layer, x: Array, rng: np.random.Generator
) -> None:
    """Hold the gradients of a float32 layer against those of the same layer in float64, which are right."""
    kept = Snapshot(subject)
    try:
        single, whole = x.astype(np.float32), x.astype(np.float32).astype(np.float64)
        if subject.index_count is not None:
            single = whole = x
        dy = rng.standard_normal(np.shape(double(whole)))
        subject.zero_grad()
        double.zero_grad()
        subject(single)
        gradients = {"x": (input_gradient(subject, dy.astype(np.float32)), input_gradient(double, dy))}
        pairs = zip(subject.named_parameters(), double.parameters(), strict=True)
        gradients |= {name: (p.grad, q.grad) for (name, p), q in pairs}
        for name, (got, right) in gradients.items():
            largest = float(np.abs(right).max(initial=0)) or 1.0
            if np.isfinite(right).all() and not np.abs(got - right).max(initial=0) <= 1e-3 * largest:
                at = tuple(map(int, np.unravel_index(np.abs(got - right).argmax(), right.shape)))
                what = f"at {list(at)} it is {got[at]} in float32 and {right[at]} in float64"
                found.add(name, what, "are there numbers in it that float32 cannot hold?")
    finally:
        kept.restore()
        kept.restore_parameters()


def _other_inputs(check: _Check, rng: np.random.Generator) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Other inputs made of those that were given, with what they are."""
    x, target = check.x, check.target
    if check.has_indices:
        if x.ndim and len(x) > 1:
            yield "with a batch of one", (x[:1],)
            yield "with a larger batch", (np.concatenate([x, x[:3]]),)
        return
    zeros = np.where(rng.random(x.shape) < 0.3, 0.0, x)
    yield "with zeros in x", (zeros, *target)
    for what, factor in (
        ("10 times as large", 10.0),
        ("a hundredth as large", 0.01),
        ("of the other sign", -1.0),
    ):
        yield f"with an x {what}", (factor * x, *target)
    if x.ndim > 1 and len(x) > 1 and all(len(t) == len(x) for t in target if np.ndim(t)):
        yield "with a batch of one", (x[:1], *(t[:1] if np.ndim(t) else t for t in target))
    if x.ndim > 1 and not target:
        more = x[: max(1, min(3, len(x)))] * rng.uniform(0.5, 1.5, (1,) * x.ndim) + 0.1 * _typical(x)
        yield "with a larger batch", (np.concatenate([x, more]),)


def _typical(x: Array) -> float:
    """The size of a typical element."""
    return float(np.median(np.abs(x))) if x.size else 0.0


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
        self.has_indices = isinstance(subject, Layer) and subject.index_count is not None
        self.x = np.array(inputs[0], dtype=None if self.has_indices else np.float64)
        if not np.isfinite(self.x).all():
            raise ValueError(f"gradcheck of {subject!r} expects finite numbers")
        self.target = tuple(np.asarray(t) if isinstance(t, list) else t for t in inputs[1:])
        self.parameters = {} if isinstance(subject, Loss) else dict(subject.named_parameters())
        if any(parameter.dtype != np.float64 for parameter in self.parameters.values()):
            raise ValueError(f"gradcheck expects a layer of one dtype, {subject!r} has float32 and float64")
        self.weights = tuple(parameter.data for parameter in self.parameters.values())
        self.snapshot = Snapshot(subject)
        layers = [] if isinstance(subject, Loss) else list(subject.modules())
        self.is_composed = sum(not any(True for _ in layer.children()) for layer in layers) > 1
        tables = [layer for layer in layers if isinstance(layer, Embedding) and layer.padding_idx is not None]
        rows = [table.weight.data[table.padding_idx] for table in tables]
        self.constants = [(row, row.copy()) for row in rows]  # that learn nothing

    def put_back(self) -> None:
        self.snapshot.restore()
        self.snapshot.restore_parameters()

    def y(self) -> Array:
        """A copy of the output, always from the state in which the subject was found."""
        self.snapshot.restore()
        given = [row.copy() for row, _ in self.constants]
        for row, value in self.constants:
            row[...] = value
        y = np.array(self.subject(self.x.copy(), *self.target))
        for (row, _), value in zip(self.constants, given, strict=True):
            row[...] = value
        return y

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
        if not y.size:
            found.notes.append(f"nothing was compared: y has no numbers for an x of shape {self.x.shape}")
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
                fix = "add_grad(...) puts one there"
                found.add(parameter_name, "backward left no gradient in it", fix)
                gradients.pop(parameter_name)
        dx = np.array(returned) if isinstance(returned, np.ndarray) else returned
        if self.has_indices and (np.shape(dx) != self.x.shape or np.any(dx)):
            found.add(name, "integers have no gradient: backward should return zeros in the shape of x")
        variables = {} if self.has_indices else {name: (self.x, dx)}
        variables |= {n: (self.parameters[n].data, gradient) for n, gradient in gradients.items()}
        for variable, (v, gradient) in variables.items():
            self._judge(found, variable, v, gradient, y, dy, eps=eps, atol=atol, rtol=rtol)
        if found:
            with np.errstate(all="ignore"):
                self._repeat(found, name, returned, dx, gradients, dy, rng)
                self._check_linear(found, name, dx, gradients, dy, rng)
                self._check_adds(found, gradients, dy)
            self._find_hidden_parameters(found)
            self._note_plain_weights(found, y)
        return found

    def spot_check(
        self, found: Diagnosis, what: str, rng: np.random.Generator, *, eps: float, atol: float, rtol: float
    ) -> None:
        """Judge some elements of each gradient for other inputs, if the subject takes them."""
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                y = self.y()
                if not y.size or not np.isfinite(y).all() or not np.array_equal(y, self.y()):
                    return
                dy = np.array(rng.standard_normal(y.shape)) if self.takes_dy else np.ones(())
                self.snapshot.restore()
                dx, gradients = self.backward(dy.copy(), self.x.copy())
        except Exception:  # it takes no such input
            return
        variables = {} if self.has_indices else {"prediction" if self.is_loss else "x": (self.x, dx)}
        variables |= {n: (self.parameters[n].data, g) for n, g in gradients.items()}
        for name, (v, gradient) in variables.items():
            if not isinstance(gradient, np.ndarray) or gradient.shape != v.shape:
                found.add(name, f"{what}: the gradient should be an array of shape {v.shape}")
                continue
            chosen = rng.permutation(v.size)[:SPOTS]
            zeros = np.flatnonzero(v.reshape(-1) == 0)[:SPOTS]
            places = zip(*np.unravel_index(np.union1d(chosen, zeros).astype(int), v.shape), strict=True)
            with warnings.catch_warnings(action="ignore"):
                quotients = Quotients(self.y, v, dy, eps)
                only = [tuple(map(int, p)) for p in places] if v.ndim else [()]
                verdicts = judged(
                    gradient, quotients, atol=atol, rtol=rtol, composed=self.is_composed, only=only
                )
            is_level = name in found.unjudged and not np.nan_to_num(verdicts.numeric).any()
            if verdicts.wrong.any() and not is_level:
                at = tuple(map(int, np.argwhere(verdicts.wrong)[0]))
                found.add(
                    name,
                    f"{what}: at {list(at)}, where {name} is {v[at]}, backward says {gradient[at]}, the "
                    f"difference quotient {verdicts.numeric[at]}",
                )

    def _check_linear(
        self, found: Diagnosis, name: str, dx: Array, gradients: dict[str, Array], dy: Array, rng: Any
    ) -> None:
        """Whether backward of 2 dy + e is twice that of dy plus that of e."""
        if self.is_loss or not dy.size:
            return
        other = rng.standard_normal(dy.shape) * 30.0
        results = []
        for upstream in (other, 2 * dy + other):
            self.snapshot.restore()
            returned, more = self.backward(upstream, self.x.copy())
            results.append({name: np.array(returned), **more})
        largest = max(float(np.abs(array).max(initial=0)) for array in results[0].values())
        for variable, first in {name: dx, **gradients}.items():
            expected = 2 * first + results[0][variable]
            allowed = 1e-6 * float(np.abs(expected).max(initial=0)) + 1e-9 * largest
            difference = np.abs(results[1][variable] - expected).max(initial=0)
            if np.isfinite(expected).all() and not difference <= allowed:
                found.add(variable, "backward is not linear in dy: of a·dy₁ + dy₂ it must give a·dx₁ + dx₂")

    def _check_adds(self, found: Diagnosis, gradients: dict[str, Array], dy: Array) -> None:
        """Whether a second backward adds to the gradients of the parameters."""
        if not gradients:
            return
        self.snapshot.restore()
        self.backward(dy, self.x.copy())
        self.snapshot.restore()
        self.subject(self.x.copy())
        input_gradient(self.subject, dy)
        for name, first in gradients.items():
            second = self.parameters[name].grad
            if first.any() and alike(second, first) and name not in {f.name for f in found.findings}:
                found.add(
                    name,
                    "a second backward overwrites its gradient",
                    "add to it, with add_grad, or grad += ...",
                )

    def _find_hidden_parameters(self, found: Diagnosis) -> None:
        """Point out Parameters and layers in lists and dicts, where nobody finds them."""
        known = set() if self.is_loss else {id(p) for p in self.parameters.values()}
        for place, layer in [] if self.is_loss else self.subject.named_modules():
            known |= {id(child) for child in layer.children()}
            for name, value in vars(layer).items():
                inside = value.values() if isinstance(value, dict) else value
                if isinstance(value, list | tuple | dict) and any(
                    isinstance(part, Parameter | Layer) and id(part) not in known for part in inside
                ):
                    where = f"{place}.{name}".lstrip(".")
                    what = (
                        "has Parameters or layers that are not registered, and would neither learn nor be saved"
                    )
                    found.add(where, what, "make each of them an attribute, or put layers into a Sequential")

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
            return Quotients(self.y, v, upstream, how["eps"]).central()

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
        verdicts = judged(
            gradient,
            Quotients(self.y, v, dy, how["eps"]),
            atol=how["atol"],
            rtol=how["rtol"],
            composed=self.is_composed,
        )
        numeric, wrong = verdicts.numeric, verdicts.wrong
        found.kinks[name], found.untold[name] = int(verdicts.kinks.sum()), int(verdicts.untold.sum())
        told = ~(verdicts.untold | verdicts.kinks) | wrong
        largest = float(np.abs(numeric[told]).max(initial=0)) or 1.0
        off = np.where(told, np.abs(gradient - numeric), 0)
        found.errors[name] = float(off.max(initial=0)) / largest if told.any() or not v.size else np.nan
        if wrong.any():
            at = tuple(map(int, np.unravel_index(np.where(wrong, _size(off), -1).argmax(), off.shape)))
            what = (
                f"at {list(at)} backward says {gradient[at]}, the difference quotient {numeric[at]}; "
                f"wrong in {int(wrong.sum())} of {v.size} elements"
            )
            evidence = Evidence(name, gradient, numeric, *known)
            found.add(name, what, likely_mistake(evidence))
        elif v.size and verdicts.kinks.all():
            found.errors[name] = np.nan
            found.notes.append(f"every element of {name} stands on a kink: choose another x")

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
        other = self.x[::-1] if self.has_indices else self.x * rng.uniform(0.5, 1.5, self.x.shape)
        _, others = self.backward(rng.standard_normal(dy.shape), other)
        if not np.array_equal(returned, dx):
            found.add(name, "the array that backward returned was overwritten by the next backward")
        again, repeated = self.backward(dy, self.x.copy())
        for variable, first, second in [(name, dx, np.array(again))] + [
            (n, gradient, repeated[n]) for n, gradient in gradients.items()
        ]:
            is_sum = variable in others and alike(second, first + others[variable])
            if is_sum and others[variable].any() and not alike(second, first):
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
