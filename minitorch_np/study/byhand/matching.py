"""Matching of the arrays of a program with those of the network: by what they equal, then by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.byhand.recording import Recording
from minitorch_np.study.byhand.reference import LOSS, Reference

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

ROUNDINGS = 4096  # of the largest element: a sum over thousands of products, in another order


def rounding(right: Array) -> float:
    """How far rounding alone can take an array: some thousand eps of its largest element."""
    return ROUNDINGS * float(np.finfo(right.dtype).eps) * largest(right)


def largest(a: Array) -> float:
    """The largest magnitude among the finite elements."""
    return float(np.abs(np.where(np.isfinite(a), a, 0)).max(initial=0))


def close(got: Array, right: Array, allowed: float | None = None) -> bool:
    """Whether arrays of one shape differ by no more than rounding; NaN and infinities have to agree."""
    allowed = rounding(right) if allowed is None else allowed
    with np.errstate(all="ignore"):
        return bool((np.abs(got - right) <= allowed).all()) or bool(
            np.allclose(got, right, rtol=0, atol=allowed, equal_nan=True)
        )


def fitted(value: Array, like: Array) -> Array | None:
    """A value in the shape of another array where they differ by axes of length 1 only: (1, H) as (H,)."""
    if value.shape == like.shape:
        return value
    short, wanted = ([n for n in a.shape if n != 1] for a in (value, like))
    return value.reshape(like.shape) if short == wanted else None


GRADIENT = re.compile(
    r"^(grad(ient)?s?_?(of_)?|delta_?|d_|d(?=[a-z]\d?$)|d(?=(h|y|z|a|w|b|out|pred|yhat)))(?=.)"
)

SYNONYMS = {
    "yhat": "ypred",
    "pred": "ypred",
    "preds": "ypred",
    "prediction": "ypred",
    "predictions": "ypred",
    "output": "ypred",
    "out": "ypred",
    "logits": "ypred",
    "weight": "w",
    "bias": "b",
    "hrelu": "a",
}

LOSSES = re.compile(r"loss|cost|err|mse|sse|objective|^j$|\[-1\]|\[step\]")

TARGETS = ("y", "t", "target", "targets", "labels", "ytrain")

RATES = ("learning_rate", "lr", "alpha", "eta", "rate", "step_size", "learningrate", "l_rate")

STEPS = (
    *("steps", "n_steps", "num_steps", "epochs", "n_epochs", "num_epochs", "iterations", "n_iterations"),
    *("num_iterations", "n_iter", "num_iters", "iters", "max_iter"),
)


def canonical(name: str) -> str:
    """A name without its container, case, underscores and ways to say gradient, which becomes `grad:`."""
    containers = re.split(r"[.\[]", name)
    inner = re.findall(r"[A-Za-z_]\w*", containers[-1]) or re.findall(r"[A-Za-z_]\w*", name)[-1:]
    word = (inner[-1] if inner else name).lower()
    gradient = bool(len(containers) > 1 and re.match(r"^(self\.)?(d_?|grad)", name.lower()))
    if word.endswith("_grad"):
        word, gradient = word.removesuffix("_grad"), True
    if (found := GRADIENT.match(word)) and word[found.end() :]:
        word, gradient = word[found.end() :], True
    plain = word.replace("_", "")
    return ("grad:" if gradient else "") + SYNONYMS.get(plain, plain)


def is_loss(name: str) -> bool:
    return bool(LOSSES.search(name.lower()))


def is_rate(name: str) -> bool:
    return re.split(r"[.\[]", name)[-1].strip("'\"]").lower() in RATES


TRIED = 12  # arrays that are tried in the place of one that none equals


class Site(NamedTuple):
    """A place in a program where an array gets a value: the line, the name, and the occurrence index in a step.

    Line 0 is before the loop.
    """

    line: int
    name: str
    turn: int


class Match(NamedTuple):
    """For each array of the reference, by name: the site in the program, and for weights the variable."""

    sites: dict[str, Site]
    weights: dict[str, str]

    def names(self) -> dict[str, str]:
        """The program's name for each array."""
        return {name: site.name for name, site in self.sites.items()} | self.weights


def values(recording: Recording, step: int) -> dict[Site, Array]:
    """What each site held in a step, in the order of computation; first what stems from before the loop."""
    found = {Site(0, name, 0): array for name, array in recording.before[step].items()}
    turns: dict[tuple[int, str], int] = {}
    for line, name, value in recording.events[step]:
        turn = turns[line, name] = turns.get((line, name), -1) + 1
        found[Site(line, name, turn)] = value
    return found


def match(
    reference: Reference, recording: Recording, weights: Mapping[str, str], given: Mapping[str, Array]
) -> Match:
    """The program's site for each array of the reference that has one. `given` is what both start from."""
    search = _Search(reference, recording, dict(weights), given)
    return Match(search.sites(), dict(weights))


class _Search:
    def __init__(
        self, reference: Reference, recording: Recording, weights: dict[str, str], given: Mapping[str, Array]
    ) -> None:
        self.reference, self.recording, self.weights, self.given = reference, recording, weights, given
        taken = set(weights.values())
        data = [a for n, a in given.items() if n not in reference.weights]
        self.values = {
            site: a
            for site, a in values(recording, 0).items()
            if site.name not in taken and a.dtype.kind == "f" and not (site.line == 0 and _is_one_of(a, data))
        }
        self.order = {site: i for i, site in enumerate(self.values)}
        self.bits = {site: hash((a.shape, a.tobytes())) for site, a in self.values.items()}

    def sites(self) -> dict[str, Site]:
        tried: dict[str, Site | None] = {}
        while True:
            found, score, unmatched = self._walk(tried)
            open_ = [name for name in unmatched if name not in tried]
            if not open_:
                return found
            name, best = open_[0], None
            for site, plausible in self._candidates(name, found, unmatched[open_[0]]):
                with_it = self._walk({**tried, name: site})[1] + (0.5 if plausible else 0)
                if with_it > score:
                    score, best = with_it, site
            tried[name] = self._last(self._origin(best))

    def _origin(self, site: Site | None) -> Site | None:
        """If a function of the file has made these numbers, for a site that holds what it returned."""
        program = self.recording.program
        if site is None or not program.is_in_loop(site.line):
            return site
        bits = self.bits[site]
        inside = (s for s in self.values if s.line and not program.is_in_loop(s.line) and self.bits[s] == bits)
        return next(inside, site)

    def _last(self, site: Site | None) -> Site | None:
        """The last statement that was to change a variable and left these numbers in it: a mask of nothing."""
        if site is None or site.line == 0:
            return site
        for later in list(self.values)[self.order[site] + 1 :]:
            if later.name == site.name:
                changes = self.recording.program.changes_in_place(later.line)
                if not changes or self.bits[later] != self.bits[site]:
                    break
                site = later
        return site

    def _walk(self, tried: Mapping[str, Site | None]) -> tuple[dict[str, Site], float, dict[str, Array]]:
        """Run the reference with the program's arrays in it: the sites, how many fit, and what none equals."""
        reference = self.reference
        scope = reference.begin(self.given, 1)
        found: dict[str, Site] = {}
        unmatched: dict[str, Array] = {}
        score = 0
        for segment, _ in reference.step(scope):
            for name, right in reference.values(segment, scope):
                if name in self.weights:
                    after = self._after(name, right)
                    score += after is not None and close(after, right)
                    continue
                site = tried[name] if name in tried else self._origin(self._equal(name, right, found))
                if site is None:
                    unmatched[name] = right
                    continue
                score += name not in tried and site not in found.values()
                found[name] = site
                if (value := fitted(self.values[site], right)) is not None:
                    reference.put(scope, name, value)
        return found, score, unmatched

    def _after(self, name: str, right: Array) -> Array | None:
        before = self.recording.before
        return fitted(before[1][self.weights[name]], right) if len(before) > 1 else None

    def _equal(self, name: str, right: Array, found: Mapping[str, Site]) -> Site | None:
        """The site that equals the right array: of the same name, or the earliest that is not taken."""
        equal = [
            site
            for site, a in self.values.items()
            if (value := fitted(a, right)) is not None
            and close(value, right)
            and (right.ndim or is_loss(site.name))
        ]
        if not right.ndim and not equal:
            equal = [s for s, a in self.values.items() if not a.ndim and right.any() and a == right]
        taken = set(found.values())
        latest = max((self.order[site] for site in taken), default=-1)
        equal.sort(
            key=lambda site: (
                site in taken,
                site.line == 0,
                canonical(site.name) != canonical(name),
                self.order[site] < latest,
                self.order[site],
            )
        )
        return equal[0] if equal else None

    def _candidates(self, name: str, found: Mapping[str, Site], right: Array) -> Iterator[tuple[Site, bool]]:
        """Sites that may be a wrong version of an array; with each, whether more than its shape says so."""
        fitting = [site for site, a in self.values.items() if fitted(a, right) is not None]
        fitting = [site for site in fitting if not self._is_of_another_name(site, name)]
        if name == LOSS:
            yield from ((site, True) for site in fitting if is_loss(site.name))
            return
        mentioned = self._mentioned_by_the_update(name)
        named = [s for s in fitting if canonical(s.name) == canonical(name)]
        likely = [s for s in fitting[::-1] if s.name in mentioned] + named[::-1]
        taken = {self.bits[site] for site in found.values()}
        latest = max((self.order[site] for site in found.values()), default=-1)
        others = sorted(fitting, key=lambda s: (self.bits[s] in taken, self.order[s] < latest))
        different: dict[Any, Site] = {}
        for site in [*likely, *others]:
            different.setdefault(self.bits[site], site)
        for site in list(different.values())[:TRIED]:
            yield site, site in likely

    def _is_of_another_name(self, site: Site, name: str) -> bool:
        """Whether a variable that is set once has just the name of another array: it is meant to be that."""
        own = canonical(site.name)
        once = sum(other.name == site.name for other in self.values) == 1
        return once and own != canonical(name) and own in map(canonical, self.reference.names)

    def _mentioned_by_the_update(self, name: str) -> set[str]:
        """Names in the line where the program updates the weight whose gradient this is."""
        for weight, variable in self.weights.items():
            if self.reference.gradient_of(weight) == name:
                lines = {event.line for event in self.recording.events[0] if event.name == variable}
                words = re.findall(r"\w+", " ".join(self.recording.program.line(line) for line in lines))
                names = {site.name for site in self.values}
                return {n for n in names if n != variable and re.split(r"[.\[]", n)[0] in words}
        return set()


def _is_one_of(a: Array, others: list[Array]) -> bool:
    return any(a.shape == other.shape and np.array_equal(a, other) for other in others)
