"""Gradient check: gradients against difference quotients, and the mistake that explains a wrong one."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.reprs import constructor_arguments
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.sequential import input_gradient
from minitorch_np.parameter import Parameter
from minitorch_np.study.evidence import Evidence, alike
from minitorch_np.study.mistakes import UNNAMED, likely_mistake
from minitorch_np.study.quotients import Quotients, judged
from minitorch_np.study.repairs import BRIEF, Repair, repair
from minitorch_np.study.slots import gradient_names, is_parameter_name
from minitorch_np.study.snapshot import Snapshot
from minitorch_np.study.subjects import (
    ForeignObject,
    Subject,
    generators,
    subject_of,
)

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
    cannot tell, `notes` what else is worth knowing, and `remarks` what is right but unusual.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.findings: list[Finding] = []
        self.errors: dict[str, float] = {}
        self.kinks: dict[str, int] = {}
        self.untold: dict[str, int] = {}
        self.notes: list[str] = []
        self.remarks: list[str] = []
        self.repair: Repair | None = None

    def __bool__(self) -> bool:
        return not self.findings

    def add(self, name: str, what: str, mistake: str = "") -> None:
        self.findings.append(Finding(name, what, mistake))

    def settle_unnamed(self) -> None:
        """Say of gradients that no mistake explains what may: the line that mends all, or another's mistake."""
        named = [
            finding.name for finding in self.findings if finding.mistake and UNNAMED not in finding.mistake
        ]
        for i, finding in enumerate(self.findings):
            if finding.mistake == UNNAMED and self.repair is not None and self.repair.is_whole:
                self.findings[i] = finding._replace(mistake="")
            elif finding.mistake == UNNAMED and named:
                self.findings[i] = finding._replace(
                    mistake=f"perhaps it comes of what is wrong with {named[0]}"
                )

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
        lines += [str(self.repair)] if self.repair else []
        lines += [f"  {name}: {count} elements stand on a kink" for name, count in self.kinks.items() if count]
        lines += [
            f"  {name}: {count} elements cannot be told from difference quotients: their error is too large"
            for name, count in self.untold.items()
            if count
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def gradcheck(
    subject: Any,
    *inputs: Array,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    rng: np.random.Generator | int | None = None,
) -> bool:
    """Compare the gradients of the input and of every parameter with (f(v + h) − f(v − h)) / 2h.

    `subject` is a layer or a loss, or what others write: an object with forward and backward that leaves its
    gradients in dW, grads or the like, a pair of functions (affine_forward, affine_backward) with a cache, or
    one function that returns its value and gradients. Arrays of floats among the inputs are differentiated.

    For a layer f = Σ y · dy with a random dy, so that an error which cancels in Σ y is found; for a
    loss f is its value for (prediction, target), with reduction "none" Σ values · dy. Random masks and
    running statistics are the same in every evaluation, and whatever is changed on the way is put back.

    h is `eps` times the size of the element; where that does not agree, steps of many sizes are tried, and
    the slope of those that agree best counts, with an estimate of its own error. At a kink, any slope
    between its two sides is right. What cannot be told, such as the gradient of a function that is made of
    steps, is neither right nor wrong: a warning says so. A float32 layer is checked in float64, and its own
    gradients against those. Of a forward that casts to float32 itself only the larger steps count.

    Integers that a layer looks up have no gradient, and only those of the parameters are compared; the row
    `padding_idx` of an Embedding counts as a constant.

    Parameters that are all 1 or all 0 are given other numbers for the while, so that a factor γ that was
    forgotten is seen.

    Then the same for other inputs made of x, as far as the layer takes them: with zeros, 10 times as large, a
    hundredth, of the other sign, a batch of one and a larger one; in evaluation mode too; and whether
    backward is linear in dy and adds to the gradients of the parameters.

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
    subject: Any,
    *inputs: Array,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    rng: np.random.Generator | int | None = None,
    seconds: float = 0.0,
) -> Diagnosis:
    """`gradcheck`, with all that it found; for `seconds` also a repair of the source is looked for."""
    if isinstance(rng, int):
        rng = np.random.default_rng((rng, 1))  # x is often drawn with the same seed, and dy not to be x
    generator = np.random.default_rng(rng)
    if isinstance(subject, Layer) and subject.dtype == np.float32:
        double = copy.deepcopy(subject).astype(np.float64)
        found = diagnose(double, *inputs, eps=eps, atol=atol, rtol=rtol, rng=generator, seconds=seconds)
        found.subject = repr(subject)
        if found:
            _compare_precisions(found, subject, double, np.asarray(inputs[0]), generator)
        return found
    state = np.random.get_state()  # noqa: NPY002
    examined = subject if isinstance(subject, Subject) else subject_of(subject, inputs)
    check = _Check(examined, inputs)
    check.seconds = seconds
    how = {"eps": eps, "atol": atol, "rtol": rtol}
    try:
        check.move_off_special_values(generator)
        with frozen_randomness():
            found = check.diagnose(generator, **how)
            for what, others in _other_inputs(check, generator):
                if found:
                    _Check(examined, others).spot_check(found, what, generator, **how)
            if found:
                _other_modes(check, found, generator, **how)
        return found
    finally:
        check.put_back()
        np.random.set_state(state)  # noqa: NPY002


def _other_modes(check: _Check, found: Diagnosis, rng: np.random.Generator, **how: float) -> None:
    """Judge the gradients in evaluation mode too, if y is another one there."""
    y, has_mask = check.y(), check.draws()
    for mode in check.subject.other_modes():
        other = _Check(check.subject, tuple(check.inputs))
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            try:
                is_same = np.array_equal(other.y(), y)
            except Exception:  # it has no such mode
                continue
        seen = Diagnosis(found.subject)
        if not is_same and (check.subject.is_own or not has_mask):  # a mask belongs to training alone
            other.spot_check(seen, mode, rng, **how)
        if check.subject.is_own:
            found.findings += seen.findings
        else:  # nobody trains there
            names = ", ".join(dict.fromkeys(finding.name for finding in seen.findings))
            found.remarks += [f"{mode} backward gives another gradient of {names}"] if names else []


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
    x, target = check.x, tuple(check.inputs[1:])
    if not check.subject.is_own:
        yield from _other_batches(check)
    is_one = len(check.inputs) == 1 and x.dtype.kind == "f"
    if not check.subject.is_own and (check.subject.is_loss or not is_one):
        return
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
    if not check.subject.is_own:
        return
    if x.ndim > 1 and len(x) > 1 and all(len(t) == len(x) for t in target if np.ndim(t)):
        yield "with a batch of one", (x[:1], *(t[:1] if np.ndim(t) else t for t in target))
    if x.ndim > 1 and not target:
        more = x[: max(1, min(3, len(x)))] * rng.uniform(0.5, 1.5, (1,) * x.ndim) + 0.1 * _typical(x)
        yield "with a larger batch", (np.concatenate([x, more]),)


def _other_batches(check: _Check) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """A batch of one and a larger one, of all inputs that are as long and of as many axes as x."""
    x = check.x
    if x.ndim < 1 or len(x) < 2 or (x.ndim == 1 and check.free):
        return
    is_target = [check.subject.is_loss and np.ndim(value) > 0 for value in check.inputs]

    def of(index: Any) -> tuple[Any, ...]:
        return tuple(
            value[index]
            if isinstance(value, np.ndarray)
            and value.shape[:1] == x.shape[:1]
            and (value.ndim == x.ndim or is_target[i])
            else value
            for i, value in enumerate(check.inputs)
        )

    yield "with a batch of one", of(slice(1))
    yield "with a larger batch", of([*range(len(x)), 0, 1])


def _typical(x: Array) -> float:
    """The size of a typical element."""
    return float(np.median(np.abs(x))) if x.size else 0.0


class _Check:
    """A subject, its y as a function of inputs and parameters, and its gradients."""

    seconds = 0.0  # that a repair of the source is looked for

    def __init__(self, subject: Subject, inputs: tuple[Any, ...]) -> None:
        if subject.is_own and len(inputs) != len(subject.names):
            raise ValueError(
                f"gradcheck expects (layer, x) or (loss, prediction, target), got {len(inputs)} inputs"
            )
        self.subject = subject
        self.takes_dy = subject.takes_dy
        own = subject.thing
        self.has_indices = isinstance(own, Layer) and own.index_count is not None
        self.inputs = [self._input(i, value) for i, value in enumerate(inputs)]
        arrays = [(i, value) for i, value in enumerate(self.inputs) if isinstance(value, np.ndarray)]
        self.place = arrays[0][0] if arrays else 0
        self.x: Array = arrays[0][1] if arrays else np.zeros(())
        self.free = list(subject.free(self.inputs).items())
        if not all(np.isfinite(value).all() for _, value in self.free):
            raise ValueError(f"gradcheck of {subject.title} expects finite numbers")
        self.parameters = subject.parameters
        if any(array.dtype != np.float64 for array in self.parameters.values()):
            raise ValueError(f"gradcheck expects a layer of one dtype, {subject.title} has float32 and float64")
        root = [own, *generators(own)] if not isinstance(own, tuple) else list(own)
        self.snapshot = Snapshot(root, learned=self.parameters.values())
        self.given = [(array, array.copy()) for array in self.parameters.values()]
        layers = list(own.modules()) if isinstance(own, Layer) else []
        self.is_composed = sum(not any(True for _ in layer.children()) for layer in layers) > 1
        tables = [layer for layer in layers if isinstance(layer, Embedding) and layer.padding_idx is not None]
        rows = [table.weight.data[table.padding_idx] for table in tables]
        self.constants = [(row, row.copy()) for row in rows]  # that learn nothing

    def _input(self, i: int, value: Any) -> Any:
        if self.subject.is_own and i == 0:
            return np.array(value, dtype=None if self.has_indices else np.float64)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not self.subject.is_own:
            return np.array(value, dtype=np.float64)
        return np.asarray(value) if isinstance(value, list) else value

    def put_back(self) -> None:
        for array, numbers in self.given:
            array[...] = numbers
        self.snapshot.restore()
        self.snapshot.restore_parameters()

    def move_off_special_values(self, rng: np.random.Generator) -> None:
        """Give parameters that are all 1 or all 0 other numbers: a forgotten factor 1 changes nothing."""
        for array in self.parameters.values():
            if array.size and array.flat[0] in (0.0, 1.0) and (array == array.flat[0]).all():
                array += rng.choice([-0.5, 0.5], array.shape) * rng.uniform(0.5, 1.5, array.shape)

    def copies(self) -> list[Any]:
        return [copy.deepcopy(value) for value in self.inputs]

    def y(self) -> Array:
        """A copy of the output, always from the state in which the subject was found."""
        self.snapshot.restore()
        given = [row.copy() for row, _ in self.constants]
        for row, value in self.constants:
            row[...] = value
        y = np.array(self.subject.forward(*self.copies()))
        for (row, _), value in zip(self.constants, given, strict=True):
            row[...] = value
        return y

    def draws(self) -> bool:
        """Whether forward draws random numbers: once more, from where it left the generators, it differs."""
        y = self.y()
        with np.errstate(all="ignore"):
            return not np.array_equal(y, np.array(self.subject.forward(*self.copies())), equal_nan=True)

    def backward(
        self, dy: Array, inputs: list[Any] | None = None, adds: bool = False
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What forward and then backward make of inputs and dy: gradients of inputs and of parameters."""
        return self.subject.backward(dy, *(inputs or self.copies()), adds=adds)

    def upstream(self, y: Array, rng: np.random.Generator) -> Array:
        """A random dy for a layer; of a loss, what its values are weighed with."""
        if self.takes_dy:
            return np.array(rng.standard_normal(y.shape))
        return np.full(y.shape, 1 / max(1, y.size) if self.subject.averages else 1.0)

    def diagnose(  # noqa: PLR0912, one question after the other
        self, rng: np.random.Generator, *, eps: float, atol: float, rtol: float
    ) -> Diagnosis:
        found = Diagnosis(self.subject.title)
        y = self.y()
        if not y.size:
            raise ValueError(
                f"gradcheck of {self.subject.title} has nothing to compare: y has no numbers for an x of shape "
                f"{self.x.shape}; give a sample or more"
            )
        if not np.array_equal(y, self.y(), equal_nan=True):
            found.add("y", "forward gives different numbers for the same x: draw from a Generator it holds")
            return found
        dy = self.upstream(y, rng)
        given, dy_given = self.copies(), dy.copy()
        self.snapshot.restore()
        returned, gradients = self.backward(dy_given, given)
        for name, after, before in zip(self.subject.names, given, self.inputs, strict=True):
            if isinstance(before, np.ndarray) and not np.array_equal(after, before):
                found.add(name, "the caller's array was written into: work on a copy, or without +=, *=")
        if self.takes_dy and not np.array_equal(dy_given, dy):
            if self.subject.is_own:
                found.add("dy", "the caller's array was written into: work on a copy, or without +=, *=")
            else:
                found.remarks.append("backward writes into the dy that it is given: others may still need it")
        for name in self.parameters:
            if gradients.get(name) is None:
                found.add(name, *self._no_gradient())
                gradients.pop(name, None)
        kept = {n: np.array(r) if isinstance(r, np.ndarray) else r for n, r in returned.items()}
        if self.has_indices and (np.shape(kept["x"]) != self.x.shape or np.any(kept["x"])):
            found.add("x", "integers have no gradient: backward should return zeros in the shape of x")
        if not self.takes_dy and y.ndim:
            self._weigh_values(y, kept, eps)
            dy = self.upstream(y, rng)
        variables = [(n, v, kept[n]) for n, v in self.free if n in kept]
        variables += [(n, self.parameters[n], gradient) for n, gradient in gradients.items()]
        cases = [
            self._judge(found, variable, v, gradient, y, dy, eps=eps, atol=atol, rtol=rtol)
            for variable, v, gradient in variables
        ]
        known = {case.name: case for case in cases if case is not None}
        self._name_swapped(found, known)
        is_named = found.findings and all(f.mistake != UNNAMED for f in found.findings)
        if known and self.seconds > (BRIEF if is_named else 0):
            found.repair = self._repair(known, kept | gradients, dy)
        found.settle_unnamed()
        if found:
            with np.errstate(all="ignore"):
                self._repeat(found, returned, kept, gradients, dy, rng)
                self._check_linear(found, kept, gradients, dy, rng)
                if self.subject.is_own:
                    self._check_adds(found, gradients, dy)
            self._find_hidden_parameters(found)
        self._note_plain_weights(found, y)
        return found

    def _no_gradient(self) -> tuple[str, str]:
        if self.subject.is_own:
            return "backward left no gradient in it", "add_grad(...) puts one there"
        return "backward left no gradient in it: is it computed, and kept?", ""

    def _weigh_values(self, y: Array, returned: dict[str, Any], eps: float) -> None:
        """Take the mean of a loss's values where its gradient is that of the mean."""
        name, v = self.free[0]
        gradient = returned.get(name)
        numeric = np.abs(Quotients(self.y, v, np.ones(y.shape), eps).central()).sum()
        if isinstance(gradient, np.ndarray) and y.size > 1:
            self.subject.averages = bool(np.abs(gradient).sum() < numeric / np.sqrt(y.size))

    def spot_check(
        self, found: Diagnosis, what: str, rng: np.random.Generator, *, eps: float, atol: float, rtol: float
    ) -> None:
        """Judge some elements of each gradient for other inputs, if the subject takes them."""
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                y = self.y()
                if not y.size or not np.isfinite(y).all() or not np.array_equal(y, self.y()):
                    return
        except Exception:  # it takes no such input
            return
        dy = self.upstream(y, rng)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                self.snapshot.restore()
                returned, gradients = self.backward(dy.copy())
        except Exception as error:
            if not self.subject.is_own and "batch" in what:
                hint = "does it use what an earlier call has kept?"
                said = f"{what} it fails, and forward does not ({hint}): {type(error).__name__}: {error}"
                found.add("backward", said)
            return
        variables = [(n, v, returned[n]) for n, v in self.free if n in returned]
        variables += [(n, self.parameters[n], g) for n, g in gradients.items() if n in self.parameters]
        for name, v, gradient in variables:
            if isinstance(gradient, np.ndarray) and not self.subject.is_own and _spreads_to(gradient, v.shape):
                gradient = gradient.reshape(v.shape)
            if not isinstance(gradient, np.ndarray) or gradient.shape != v.shape:
                found.add(name, f"{what}: the gradient should be an array of shape {v.shape}")
                continue
            chosen = rng.permutation(v.size)[:SPOTS]
            zeros = np.flatnonzero(v.reshape(-1) == 0)[:SPOTS]
            flat = np.union1d(chosen, zeros).astype(int)
            places = zip(*np.unravel_index(flat, v.shape), strict=True) if v.ndim else [()]
            with warnings.catch_warnings(action="ignore"):
                quotients = Quotients(self.y, v, dy, eps)
                only = [tuple(map(int, p)) for p in places]
                verdicts = judged(
                    gradient, quotients, atol=atol, rtol=rtol, composed=self.is_composed, only=only
                )
            is_level = name in found.unjudged and not np.nan_to_num(verdicts.numeric).any()
            if verdicts.wrong.any() and not is_level:
                at = tuple(map(int, np.argwhere(verdicts.wrong)[0]))
                kink = ", which stands on a kink," if verdicts.kinks[at] else ""
                found.add(
                    name,
                    f"{what}: at {list(at)}, where {name} is {v[at]},{kink} backward says {gradient[at]}, the "
                    f"difference quotient {verdicts.numeric[at]}",
                )

    def _free_only(self, returned: dict[str, Any]) -> dict[str, Any]:
        return {name: returned[name] for name, _ in self.free if name in returned}

    def _check_linear(
        self, found: Diagnosis, returned: dict[str, Any], gradients: dict[str, Any], dy: Array, rng: Any
    ) -> None:
        """Whether backward of 2 dy + e is twice that of dy plus that of e."""
        if self.subject.is_loss or not dy.size:
            return
        other = rng.standard_normal(dy.shape) * 30.0
        results = []
        for upstream in (other, 2 * dy + other):
            self.snapshot.restore()
            others, more = self.backward(upstream)
            results.append({**{n: np.array(r) for n, r in others.items()}, **more})
        largest = max((float(np.abs(array).max(initial=0)) for array in results[0].values()), default=0.0)
        for variable, first in (self._free_only(returned) | gradients).items():
            expected = 2 * first + results[0][variable]
            allowed = 1e-6 * float(np.abs(expected).max(initial=0)) + 1e-9 * largest
            difference = np.abs(results[1][variable] - expected).max(initial=0)
            if np.isfinite(expected).all() and not difference <= allowed:
                found.add(variable, "backward is not linear in dy: of a·dy₁ + dy₂ it must give a·dx₁ + dx₂")

    def _check_adds(self, found: Diagnosis, gradients: dict[str, Array], dy: Array) -> None:
        """Whether a second backward adds to the gradients of the parameters."""
        registered = (
            dict(self.subject.thing.named_parameters()) if isinstance(self.subject.thing, Layer) else {}
        )
        if not registered:
            return
        self.snapshot.restore()
        self.backward(dy)
        self.snapshot.restore()
        self.backward(dy, adds=True)
        for name, first in gradients.items():
            second = registered[name].grad if name in registered else 2 * first
            if first.any() and alike(second, first) and name not in {f.name for f in found.findings}:
                found.add(
                    name,
                    "a second backward overwrites its gradient",
                    "add to it, with add_grad, or grad += ...",
                )

    def _find_hidden_parameters(self, found: Diagnosis) -> None:
        """Point out Parameters and layers in lists and dicts, where nobody finds them."""
        root = self.subject.thing
        known = {id(p) for p in root.parameters()} if isinstance(root, Layer) else set()
        for place, layer in root.named_modules() if isinstance(root, Layer) else []:
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

        Arguments of the constructor of a layer are taken for constants.
        """
        root = self.subject.thing
        if isinstance(self.subject, ForeignObject):
            objects: list[tuple[str, Any]] = [("", root)]
        else:
            objects = list(root.named_modules()) if isinstance(root, Layer) else []
        if self.subject.is_own and not found:
            return
        for place, layer in objects:
            is_own = isinstance(layer, Layer)
            known = {*layer.buffer_names, *constructor_arguments(type(layer))} if is_own else set()
            for name, value in list(vars(layer).items()):
                plain = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.flags.writeable
                if not plain or name in known or any(value is array for array in self.parameters.values()):
                    continue
                self.snapshot.restore()
                value *= 1.01
                value += 1e-3
                try:
                    changed = not np.array_equal(self.subject.forward(*self.copies()), y, equal_nan=True)
                except (ArithmeticError, LookupError, TypeError, ValueError):
                    changed = False
                changed = changed and getattr(layer, name, None) is value  # and not what forward saves
                if changed and not is_own and is_parameter_name(name):
                    what = "y depends on it, and no gradient of it was found"
                    found.add(name, what, f"leave it in self.{gradient_names(name)[0]}, or in self.grads")
                elif changed:
                    found.notes.append(
                        f"{place}.{name}".lstrip(".")
                        + " is an array that the output depends on, and no gradient of it was checked"
                        + (
                            ": make it a Parameter if it is learned, or name it in buffer_names"
                            if is_own
                            else ""
                        )
                    )
        self.snapshot.restore()

    def _judge(
        self, found: Diagnosis, name: str, v: Array, gradient: Any, y: Array, dy: Array, **how: float
    ) -> Evidence | None:
        """Compare one gradient with the slopes; where it is wrong, look for the cause."""
        if isinstance(gradient, np.number | float | int):
            gradient = np.asarray(gradient, dtype=float)
        if not isinstance(gradient, np.ndarray):
            found.add(
                name, f"backward should return an array of shape {v.shape}, got {type(gradient).__name__}"
            )
            return None
        if not self.subject.is_own and _spreads_to(gradient, v.shape):
            found.remarks.append(
                f"the gradient of {name}, {v.shape}, has shape {gradient.shape}: keepdims=True keeps it"
            )
            gradient = gradient.reshape(v.shape)
        evidence = partial(self._evidence, name, v, gradient, y, dy)
        if gradient.shape != v.shape:
            what = f"the gradient should be an array of shape {v.shape}, got {gradient.shape}"
            case = evidence(Quotients(self.y, v, dy, how["eps"]).central())
            found.add(name, what, self._cause(case))
            return case
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
            kink = ", which stands on a kink," if verdicts.kinks[at] else ""
            what = (
                f"at {list(at)}{kink} backward says {gradient[at]}, the difference quotient {numeric[at]}; "
                f"wrong in {int(wrong.sum())} of {v.size} elements"
            )
            case = evidence(numeric)
            found.add(name, what, self._cause(case))
            return case
        if v.size and verdicts.kinks.all():
            found.errors[name] = np.nan
            found.notes.append(f"every element of {name} stands on a kink: choose another x")
        return None

    def _cause(self, case: Evidence) -> str:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return likely_mistake(case)

    def _evidence(self, name: str, v: Array, gradient: Array, y: Array, dy: Array, numeric: Array) -> Evidence:
        own = self.subject.thing
        arrays = {n: a for n, a in [*self.free, *self.parameters.items()] if a is not v and a is not self.x}

        def y_at(point: Array) -> Array:
            kept = v.copy()
            try:
                v[...] = point
                return self.y()
            finally:
                v[...] = kept

        return Evidence(
            name=name,
            got=gradient,
            right=numeric,
            x=self.x,
            y=y,
            dy=dy,
            v=v,
            y_at=y_at,
            derivative=own.derivative if isinstance(own, Activation) else None,
            others=arrays,
            target=np.asarray(self.inputs[1]) if self.subject.is_loss and len(self.inputs) > 1 else None,
            jacobian=cached_jacobian(y_at, v, y),
            sizes=self.subject.sizes,
        )

    def _repair(self, wrong: dict[str, Evidence], gradients: dict[str, Any], dy: Array) -> Repair | None:
        """The edit of a line that makes the wrong gradients right, and leaves the right ones."""
        right = gradients | {name: case.right for name, case in wrong.items()}
        y, holders = self.y(), self.subject.holders()
        edits_forward = any(name == "_forward" for _, name in holders)
        kept = [(array, array.copy()) for array in self.parameters.values()]

        def score() -> int:
            self.snapshot.restore()
            for array, numbers in kept:  # an edit may write into them
                array[...] = numbers
            returned, more = self.backward(dy.copy())
            found = returned | more
            reached = [name for name, value in right.items() if _agrees(found.get(name), value)]
            lost = [name for name in right if name not in wrong and name not in reached]
            changed = edits_forward and not np.array_equal(self.y(), y)
            return -1 if lost or changed else len(reached)

        try:
            return repair(holders, score, len(right), self.seconds)
        finally:
            for array, numbers in kept:
                array[...] = numbers

    def _name_swapped(self, found: Diagnosis, cases: dict[str, Evidence]) -> None:
        """Say where the gradients of two are given in each other's place."""
        for i, finding in enumerate(found.findings):
            for other, case in cases.items():
                mine = cases.get(finding.name)
                if mine is not None and other != finding.name and alike(mine.got, case.right):
                    text = f"it is the gradient of {other}: the two stand in each other's place"
                    found.findings[i] = finding._replace(mistake=text)

    def _repeat(
        self,
        found: Diagnosis,
        returned: dict[str, Any],
        kept: dict[str, Any],
        gradients: dict[str, Array],
        dy: Array,
        rng: np.random.Generator,
    ) -> None:
        """The gradients are right the first time; are they after other numbers went through?"""
        if self.subject.is_loss:
            return
        self.snapshot.restore()
        weights = {name: array.copy() for name, array in self.parameters.items()}
        changed = self.copies()
        if self.x.dtype.kind == "f":
            changed[self.place] = self.x * rng.uniform(0.5, 1.5, self.x.shape)
        elif self.x.ndim:
            changed[self.place] = self.x[::-1].copy()
        try:
            _, others = self.backward(rng.standard_normal(dy.shape), changed)
            for name, array in returned.items():
                before = kept[name]
                if isinstance(before, np.ndarray) and not np.array_equal(array, before):
                    found.add(name, "the array that backward returned was overwritten by the next backward")
            again, repeated = self.backward(dy)
        except Exception as error:
            if self.subject.is_own:
                raise
            found.add("backward", f"it works once only: at the next call {type(error).__name__}: {error}")
            return
        second_of: dict[str, Any] = {**{n: np.array(r) for n, r in again.items()}, **repeated}
        for variable, first in (self._free_only(kept) | gradients).items():
            second: Array = second_of[variable]
            is_sum = variable in others and alike(second, first + others[variable])
            if is_sum and others[variable].any() and not alike(second, first):
                if not self.subject.is_own:
                    found.remarks.append(
                        f"{variable}: its gradient adds up from call to call until it is cleared"
                    )
                    continue
                what = "adds to itself from call to call: zero_grad() does not clear what it is added to"
                found.add(variable, "right at the first backward only", what)
            elif first.any() and not alike(second, first) and not self._is_random():
                what = "it looks like that of an earlier x: what forward keeps must be new at every call"
                updated = [n for n, array in self.parameters.items() if not np.array_equal(array, weights[n])]
                if updated:
                    what = f"backward changes {', '.join(updated)}: an update comes after all gradients"
                found.add(variable, "right at the first backward only", what)

    def _is_random(self) -> bool:
        """Whether two forwards without a restored state differ, as with dropout and running statistics."""
        self.snapshot.restore()
        first, second = (np.array(self.subject.forward(*self.copies())) for _ in range(2))
        return not np.array_equal(first, second)


def _spreads_to(gradient: Array, shape: tuple[int, ...]) -> bool:
    """Whether it lacks leading axes of length 1 alone, so that v −= lr · gradient does what it should."""
    return gradient.shape != shape and (1,) * (len(shape) - gradient.ndim) + gradient.shape == shape


def _agrees(gradient: Any, right: Any) -> bool:
    if not isinstance(right, np.ndarray):
        return True
    gradient = np.asarray(gradient) if isinstance(gradient, np.number | float) else gradient
    is_zero = not right.any() and isinstance(gradient, np.ndarray) and gradient.shape == right.shape
    return alike(gradient, right) or (is_zero and not gradient.any())


def cached_jacobian(y_at: Callable[[Array], Array], v: Array, y: Array) -> Callable[[], Array]:
    """Return a function that gives ∂y/∂v, of the shape of v followed by that of y, computed once."""

    @cache
    def jacobian() -> Array:
        slopes = np.empty((*v.shape, *y.shape))
        size = float(np.abs(v).max(initial=0)) or 1.0
        for index in np.ndindex(v.shape):
            point = v.copy()
            step = 1e-6 * (abs(float(v[index])) or min(size, 1.0))
            point[index] = v[index] + step
            above = y_at(point)
            point[index] = v[index] - step
            slopes[index] = (above - y_at(point)) / (2 * step)
        return slopes

    return jacobian


@contextmanager
def frozen_randomness() -> Iterator[None]:
    """Let generators that forward makes without a seed draw the same numbers every time."""
    original = np.random.default_rng
    np.random.default_rng = lambda seed=None: original(0 if seed is None else seed)
    try:
        yield
    finally:
        np.random.default_rng = original


def _size(off: Array) -> Array:
    return np.where(np.isnan(off), np.inf, off)
