"""The verdict on a backward pass: every update against the derivative of the program's own loss."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from time import process_time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.compare.derivatives import Reverse
from minitorch_np.study.compare.instrument import Execution, carried
from minitorch_np.study.compare.objective import UNSURE_LOSSES, Objective, Seeds, dependent, losses, rank
from minitorch_np.study.compare.recorded import (
    CONSTANT,
    FORWARD_PRODUCTS,
    LEAF,
    PRODUCTS,
    Node,
    Tape,
    ancestors,
)
from minitorch_np.study.compare.trained import TrainedArray, Update, chains, parameters

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

FAR = 3000  # nodes after a version in which its rows are looked up
NOISE = 1e-12  # of the terms that make a gradient: what rounding leaves where they sum to 0
SECONDS = 10.0  # in which losses are tried
TOLERANCE = {"f8": 2e-6, "f4": 1e-3}
SCALINGS = frozenset("add subtract multiply divide sqrt power square".split())  # in an optimizer's rule
SUMS = frozenset("sum mean add subtract add.reduce negative divide".split())
REDUCTIONS = frozenset("sum mean add.reduce max min maximum.reduce norm dot matmul inner vdot".split())
EMPTY: Mapping[int, Any] = MappingProxyType({})
RIGHT, WRONG, STILL, UNUSED, UNKNOWN = "right", "wrong", "still", "unused", "unknown"


class Verdict(NamedTuple):
    """Of an update: whether an array that it is made of is a multiple of the true gradient.

    `found` are these arrays with their multiples, in the order in which they were made; `step` is the
    change down over the true gradient, where that is a multiple as well.
    """

    update: Update
    what: str
    truth: Any = None
    found: Sequence[tuple[Node, float]] = ()
    step: float | None = None
    reverse: Any = None  # the pass that the truth is of

    @property
    def is_number(self) -> bool:
        """Whether it is of a single number, which is a multiple of any other."""
        return self.truth is not None and self.truth.size == 1

    def multiples(self, bound: Collection[int]) -> tuple[set[float], set[float]]:
        """The multiple of the step, and that of the last variable that holds the gradient."""
        step = set() if self.step is None else {self.step}
        every = [c for _, c in self.found]
        named = [c for n, c in self.found if n.index in bound]
        return step, set(named or every) if self.is_number else set(named[-1:] or every)


class Judgement(NamedTuple):
    """A loss, and what every update is when it is differentiated."""

    loss: Objective
    mode: str
    verdicts: list[Verdict]
    more: Sequence[Objective] = ()  # of parameters that have a loss of their own

    @property
    def wrong(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.what == WRONG]

    @property
    def right(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.what == RIGHT]

    def by_name(self) -> dict[str, list[Verdict]]:
        """The right ones of every parameter, oldest first."""
        found: dict[str, list[Verdict]] = {}
        for v in self.right:
            found.setdefault(v.update.name, []).append(v)
        return found

    @property
    def starts_wrong(self) -> bool:
        """Whether the first update of some parameter is wrong."""
        firsts = {v.update.name: v for v in reversed(self.verdicts)}
        return any(v.what == WRONG for v in firsts.values())

    @property
    def is_clipped(self) -> bool:
        """Whether a loss clips something, so that it may have no gradient in later steps."""
        nodes = (n for v in self.wrong if v.reverse is not None for n in v.reverse.nodes.values())
        return any(n.operation == "clip" for n in nodes)

    @property
    def is_steady(self) -> bool:
        """Whether the gradients are the same multiple of the true ones in all steps of batches of one size.

        Where no gradient is found in the steps, the steps themselves: their multiple may fall, as learning
        rates do.
        """
        found: dict[tuple[Any, ...], list[float]] = {}
        steps: dict[tuple[Any, ...], list[float]] = {}
        if not (self.loss.kind or rank(self.loss)):  # nothing says that it is the loss
            up, down = ({v.update.name for v in self.right if s * (v.step or 0) < 0} for s in (1, -1))
            if up & down:
                return False
        for v in self.right:
            size = sum(n.value.size for n in v.reverse.nodes.values())
            for node, c in v.found:
                found.setdefault((v.update.name, size, *origin(node)), []).append(c)
            if v.step is not None and not v.found:
                steps.setdefault((v.update.name, size), []).append(abs(v.step))
        even = [are_equal(cs) for cs in found.values() if len(cs) > 1]
        falling = [all(b <= 1.0001 * a for a, b in pairwise(cs)) for cs in steps.values() if len(cs) > 1]
        return any(even) if even else all(falling)

    def is_whole(self, bound: Collection[int], replaced: Iterable[tuple[Node, Node]]) -> bool:
        """Whether all gradients are those of the steps, or in variables: not only parts on the way to them."""
        changed = {old.index: new.index for old, new in replaced}

        def is_kept(v: Verdict, index: int) -> bool:  # and nothing added before the update
            return index in bound and not index < changed.get(index, index) < v.update.new.index

        return all(v.step is not None or any(is_kept(v, n.index) for n, _ in v.found) for v in self.right)

    @property
    def descends(self) -> bool:
        """Whether the steps go down this loss, and not up a likelihood, of which the loss is the negative."""
        steps = [v.step for v in self.right if v.step is not None]
        return not steps or max(steps) > 0

    @property
    def score(self) -> tuple[int, int]:
        """How many parameters have the right gradient, and how many have one at all."""
        wrong = {v.update.name for v in self.wrong}
        right = {v.update.name for v in self.right} - wrong
        return len(right), len(right | wrong)

    def odd(self, bound: Collection[int]) -> list[list[tuple[Verdict, float]]]:
        """The first updates whose gradient is another multiple of the true one than the others' is.

        One multiple for all parameters is a convention: a learning rate, ½, 1/N. It may be the same as
        the gradients are made, in the variables that hold them, or only in the steps. Each multiple may be
        the usual one: the smallest set of odd ones comes first.
        """
        windows: dict[int, dict[str, Verdict]] = {}
        for verdict in self.right:
            windows.setdefault(id(verdict.reverse), {}).setdefault(verdict.update.name, verdict)
        most = max(map(len, windows.values()), default=0)
        whole = (list(w.values()) for w in windows.values() if len(w) == most)
        return min((_odd(firsts, bound) for firsts in whole), key=lambda sets: len(sets[0]), default=[[]])


def _odd(firsts: list[Verdict], bound: Collection[int]) -> list[list[tuple[Verdict, float]]]:
    firsts = sorted(firsts, key=lambda v: v.found[0][0].index if v.found else v.update.new.index)
    kinds = []
    for is_step, kind in ((True, 0), (False, 1)):
        sets = [(v, v.multiples(bound)[kind]) for v in firsts]
        candidates = [c for _, values in sets if len(values) < 3 for c in values] or list(sets[0][1])[:50]
        if not candidates or not all(values for _, values in sets):
            continue
        if is_step:  # those that go down are the usual ones
            candidates = [c for c in candidates if c > 0] or candidates
        odd = [
            [(v, min(values, key=abs) / usual) for v, values in sets if not _has(values, usual)]
            for usual in {f"{c:.4g}": c for c in candidates}.values()
        ]
        kinds.append(
            sorted(odd, key=lambda one: (len(one), sum(_has(v.multiples(bound)[1], 1.0) for v, _ in one)))
        )
    return min(kinds, key=lambda sets: len(sets[0]), default=[[]])


def decayed(change: Array, truth: Array, value: Array) -> tuple[float, float] | None:
    """The multiples of the true gradient and of the value that a change is made of, as by weight decay."""
    touched = (truth != 0) | (change != 0)  # of a table the rows that are looked up
    change, truth, value = change[touched], truth[touched], value[touched]
    if change.size < 3 or not np.any(value):
        return None
    columns = np.stack([truth, value.astype(float)], axis=1)
    solution, _, rank, _ = np.linalg.lstsq(columns, change.astype(float), rcond=1e-9)
    largest = np.abs(change).max()
    is_fit = np.abs(columns @ solution - change).max() <= TOLERANCE["f8"] * largest
    is_step = np.abs(solution[0] * truth).max() > 1e-4 * largest and -0.5 < solution[1] < 0.5
    return (float(solution[0]), float(solution[1])) if is_fit and is_step and rank == 2 else None


def _names(verdicts: Iterable[Verdict]) -> set[str]:
    return {v.update.name for v in verdicts}


def _are_apart(a: Reverse, b: Reverse) -> bool:
    """Whether neither of two passes starts within the other."""
    return max(a.nodes) not in b.nodes and max(b.nodes) not in a.nodes


def _is_rounding(update: Update) -> bool:
    """Whether an update of a single number is so small that rounding changes the multiple that it is."""
    old, new = float(update.old.value.item()), float(update.new.value.item())
    precision = np.finfo(update.old.value.dtype).eps if update.old.value.dtype.kind == "f" else 0.0
    return abs(new - old) <= 1e5 * precision * abs(old)


def origin(node: Node) -> tuple[int, int, str]:
    """Where in the program a node is made: the statement, and the depth within it."""
    execution = node.execution
    if execution is None:
        return -1, 0, node.operation
    depth, inside = 0, node
    while inner := [n for n in inside.inputs if n.execution is execution and n.inputs]:
        depth, inside = depth + 1, max(inner)
    return execution.statement.number, depth, node.operation


def are_equal(values: list[float]) -> bool:
    return max(values) - min(values) <= 1e-4 * max(map(abs, values))


def _has(values: Collection[float], c: float) -> bool:
    found = np.fromiter(values, float, len(values))
    return bool((np.abs(found - c) <= 1e-4 * abs(c)).any())


def multiple(a: Array, truth: Array) -> float | None:
    """The c of a = c · truth, also transposed or with other axes of length 1; None if there is none."""
    if a.size != truth.size:
        return None
    if a.size == 1:  # any number is one of another
        c = float(a.item()) / float(truth.item()) if truth.item() else 0.0
        return c if c and np.isfinite(c) else None
    tolerance = TOLERANCE["f4" if a.dtype == np.float32 else "f8"]
    norm = float((truth * truth).sum())
    if not np.isfinite(norm) or norm == 0:
        return None
    shaped = [a.reshape(truth.shape)] if _squeezed(a) == _squeezed(truth) else []
    if a.ndim == 2 and a.T.shape == truth.shape and min(a.shape) > 1:
        shaped.append(a.T)
    for b in shaped:
        c = float((b * truth).sum()) / norm
        if c and np.isfinite(c) and np.abs(b - c * truth).max() <= tolerance * np.abs(b).max():
            return c
    return None


def is_varied(a: Array) -> bool:
    """Whether the elements of an array are not all the same."""
    return a.size > 1 and bool((a != a.flat[0]).any())


def _squeezed(a: Array) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n != 1)


class Judge:
    """All that is known of a recording: parameters, possible losses, updates."""

    def __init__(
        self, tape: Tape, executions: list[Execution], tie: float = 0.0, detached: Collection[int] = ()
    ) -> None:
        self.tape, self.executions, self.tie, self.detached = tape, executions, tie, detached
        names = {new.index: path for e in executions for path, _, new in e.bound}
        self.parameters: list[TrainedArray] = parameters(tape, executions)
        self.versions = {v.index for p in self.parameters for v in p.versions}
        self._following = [[p.after(v) for v in p.used] for p in self.parameters]
        self.owners = {v.index: p.versions[0].index for p in self.parameters for v in p.versions}
        self.losses = losses(tape, self.versions, names)
        self.depends = dependent(tape, self.versions)
        self._reverses: dict[int, tuple[Seeds, Reverse]] = {}
        self._multiples: dict[tuple[int, int], tuple[Array, float | None]] = {}
        self.left_out = 0  # losses that there was no time to try
        self.judgements: list[Judgement] = []  # by the losses that do not explain all, the best first
        self._merged: dict[tuple[int, int], Seeds] = {}
        self._slices: dict[tuple[int, int], list[Node]] = {}

    @cached_property
    def bound(self) -> set[int]:
        """What the program names, but for the averages of optimizers and what is made of them alone."""
        found = {new.index for e in self.executions for _, _, new in e.bound}
        found |= {n.index for e in self.executions for n in e.result.values()}
        averages = self.states(max((v.index for p in self.parameters for v in p.used[1:2]), default=0))
        for n in self.tape.nodes if averages else ():
            is_made = n.operation in SCALINGS and any(m.index in averages for m in n.inputs)
            averages |= {n.index} - self.versions if is_made else set()
        return found - averages

    @cached_property
    def _carried(self) -> list[list[Node]]:
        """The versions of arrays that are changed as parameters are, but are none."""
        following: dict[int, list[Node]] = {}
        for old, new in self.tape.replaced.values():
            if old.index not in self.versions and carried(old, new) is not None:
                following.setdefault(old.index, []).append(new)
        return chains(self.tape, following)

    def states(self, end: int) -> set[int]:
        """Versions of arrays that are carried on beyond the end of a step, as an optimizer's."""
        spans = (c for c in self._carried if c[0].index <= end < c[-1].index)
        return {v.index for versions in spans for v in versions}

    def has_ties(self) -> bool:
        """Whether the two sides of a maximum are equal somewhere: ReLU at exactly 0."""
        return any(
            n.operation in ("maximum", "minimum", "fmax", "fmin")
            and bool((n.inputs[0].value == n.inputs[1].value).any())
            for n in self.tape.nodes
        )  # fmt: skip

    @cached_property
    def copies(self) -> set[int]:
        """Copies of parameters: the weights of a target network are constants."""
        return {
            n.index
            for n in self.tape.nodes
            if n.operation in ("copy", "asarray") and n.inputs[0].index in self.versions
        }

    def targets(self, reverse: Reverse, side: int) -> set[int]:
        """What a difference takes from a forward pass of its own, as the target of Q-learning: a constant."""
        inside = self.depends - self.versions
        statements = set()
        summed = {m.index for n in reverse.nodes.values() if n.operation in SUMS for m in n.inputs}
        for n in reverse.nodes.values():
            is_error = n.operation == "subtract" and n.index not in summed  # and no sum of two losses
            if is_error and n.execution and all(m.index in inside for m in n.inputs):
                a, b = (ancestors([m], lambda k: k.index in inside) for m in n.inputs)
                has_products = (any(k.operation in FORWARD_PRODUCTS for k in made.values()) for made in (a, b))
                if not a.keys() & b.keys() & inside and all(has_products):
                    statements.add(n.execution.statement.number)
        found = (n for n in self.tape.nodes if n.operation == "subtract" and n.execution)
        return {n.inputs[side].index for n in found if n.execution.statement.number in statements}

    @staticmethod
    def is_weight(verdict: Verdict) -> bool:
        """Whether a parameter is multiplied by something, and not only added as a bias."""
        return any(
            n.operation in (*PRODUCTS, "multiply")
            and any(m is verdict.update.old or verdict.update.old in m.inputs for m in n.inputs)
            for n in verdict.reverse.nodes.values()
        )

    def is_seen(self, node: Node) -> bool:
        """Whether a node is an array that a reader would differentiate by, not a step within an activation."""
        return node.index in self._seen and node.index in self.depends

    @cached_property
    def _seen(self) -> set[int]:
        products = [n for n in self.tape.nodes if n.operation in PRODUCTS]
        found = {m.index for n in products for m in (n, *n.inputs)} | self.versions | self.bound
        for n in self.tape.nodes:
            is_sum = n.operation in ("add", "subtract")
            if is_sum and any(m.index in self.versions or m.operation in PRODUCTS for m in n.inputs):
                found.add(n.index)
        return found

    @cached_property
    def own(self) -> dict[int, list[Node]]:
        """What every execution of a statement made, by its number."""
        found: dict[int, list[Node]] = {}
        for node in self.tape.nodes:
            if node.execution is not None:
                found.setdefault(node.execution.number, []).append(node)
        return found

    def parameter_of(self, update: Update) -> int:
        """The index of the first version of the parameter."""
        return self.owners[update.old.index]

    def reverse(self, seeds: Seeds) -> Reverse:
        known = self._reverses.get(id(seeds))
        if known is None or known[0] is not seeds:
            reverse = Reverse(seeds, self.versions.union(self.detached), tie=bool(self.tie))
            known = self._reverses[id(seeds)] = (seeds, reverse)
        return known[1]

    def _together(self, seeds: list[Seeds]) -> Seeds:
        """Several seeds as those of one pass."""
        key = (id(seeds[0]), id(seeds[-1]))
        if key not in self._merged:
            self._merged[key] = seeds[0] if len(seeds) == 1 else {n: g for s in seeds for n, g in s.items()}
        return self._merged[key]

    def made_of(self, update: Update) -> list[Node]:
        """The nodes that an update is made of, oldest first; of other parameters nothing."""
        key = (update.old.index, update.new.index)
        if key not in self._slices:
            own = self.owners.get(update.new.index)

            def is_inside(n: Node) -> bool:
                owner = self.owners.get(n.index, own)
                return n.index > update.old.index and (owner == own or owner not in self._in_losses)

            found = sorted(n for n in ancestors([update.new], is_inside).values() if is_inside(n))
            self._slices[key] = [n for n in found if n.operation not in (LEAF, CONSTANT)]
        return self._slices[key]

    @cached_property
    def _in_losses(self) -> set[int]:
        """The parameters that losses are made of; others are sums of gradients."""
        ends = [node for loss in self.losses for node, _ in loss.instances[:2]]
        found = ancestors(ends, lambda n: n.index not in self.versions)
        return {self.owners[i] for i in found if i in self.owners}

    def judge(self, most_updates: int = 3) -> Judgement | None:
        """The judgement by the loss that explains most; None if there is no loss."""
        found: list[tuple[tuple[Any, ...], Judgement]] = []
        end = process_time() + SECONDS
        names = {p.name for p in self.parameters}
        has_arrays = any(p.versions[0].value.size > 1 for p in self.parameters)
        has_penalty = bool(self._penalised)
        for position, loss in enumerate(self.losses):
            if process_time() > end:
                self.left_out = len(self.losses) - position
                break
            for mode in ("last", "all") if not loss.kind and self._is_repeated(loss) else ("all",):
                j = self.by(loss, mode, 1)
                is_written = not loss.kind and rank(loss) > 1 and (bool(loss.name) or not loss.is_inner)
                if j.right or is_written:  # in the first step
                    j = self.by(loss, mode, 20 if loss.kind in UNSURE_LOSSES else most_updates)
                odd, is_whole = len(j.odd(self.bound)[0]), j.is_whole(self.bound, self.tape.replaced.values())
                is_complete = {v.update.name for v in j.verdicts if v.what in (RIGHT, STILL)} == names
                is_unsure = loss.kind in UNSURE_LOSSES  # of which the rule of the updates has to be known
                is_whole |= is_unsure and are_equal([v.step for v in j.right if v.step is not None] or [0.0])
                is_sure = is_complete and is_whole and not odd and j.is_steady and j.descends
                # a written loss by which some are right is not given up for one that all are right by
                is_given_up = bool(loss.kind) and any(all(o[:3]) and k.wrong for o, k in found)
                if j.right and not j.wrong and is_sure and not loss.is_inner and not is_given_up:
                    self.judgements = [k for _, k in found]
                    return j
                if is_unsure:
                    continue
                # a number may be right by chance
                is_likely = any(not v.is_number for v in j.right) or not (loss.kind and has_arrays)
                # beside a written penalty, the gradient without it is only a part
                is_part = (bool(loss.kind) or loss.is_inner) and not is_whole and has_penalty
                is_written &= not any(self._is_mixed(v.reverse) for v in j.right[:2])
                is_written &= not j.wrong or j.starts_wrong or not j.is_clipped
                order = (
                    is_likely,
                    self.is_of_the_steps(j),
                    is_written and j.descends and any(not v.is_number for v in j.right),
                    j.score[1] if has_penalty else 0,
                    not is_part,
                    *j.score,
                    any(v.step is not None for v in j.right),
                    is_whole,
                    j.is_steady,
                    not loss.is_inner,
                    j.descends,
                    -odd,
                )
                if j.right or j.wrong:
                    found.append(((*order, not loss.kind), j))
        found.sort(key=lambda pair: pair[0], reverse=True)
        self.judgements = [j for _, j in found]
        if not found:
            return None
        best = found[0][1]
        return self._completed(self.by(best.loss, best.mode, most_updates), self.judgements)

    def _is_mixed(self, reverse: Reverse) -> bool:
        """Whether a loss is made of several versions of a parameter: a prediction before, a penalty after."""
        owners = [self.owners[i] for i in reverse.gradients if i in self.owners]
        return len(owners) > len(set(owners))

    def _completed(self, judgement: Judgement, others: list[Judgement]) -> Judgement:
        """With what has a forward pass and a loss of its own: updates in turns, adversaries."""
        verdicts, more = list(judgement.verdicts), []
        others = [j for j in others if j.is_whole(self.bound, self.tape.replaced.values())]
        wrong = dict.fromkeys(v.update.name for v in judgement.wrong)
        right = []
        for other in others:
            names = wrong.keys() & other.by_name().keys() - _names(other.wrong)
            are_steps = [all(v.step is not None for v in other.by_name()[name]) for name in names]
            right.append((sum(are_steps), len(names)))
        for name in wrong:
            mine = {v.update: v.reverse for v in judgement.verdicts if v.update.name == name}
            # the loss by which it is right, or that by which most of the others are
            for count, other in sorted(zip(right, others, strict=True), key=lambda pair: pair[0], reverse=True):
                theirs = [v for v in other.verdicts if v.update.name == name]
                apart = (v.update not in mine or _are_apart(mine[v.update], v.reverse) for v in theirs)
                is_right = all(v.what == RIGHT for v in theirs)
                if (
                    theirs
                    and all(v.reverse is not None for v in theirs)
                    and all(apart)
                    and (is_right or count[1])
                ):
                    verdicts = [v for v in verdicts if v.update.name != name] + theirs
                    more.append(other.loss)
                    break
        return judgement._replace(verdicts=verdicts, more=more)

    def by(self, loss: Objective, mode: str, most_updates: int) -> Judgement:
        """The judgement by one loss; `mode` says whether its last value before an update counts, or all."""
        groups: list[list[Verdict]] = []
        for parameter, between in zip(self.parameters, self._steps(loss), strict=True):
            updates = [Update(parameter.name, a, b) for a, b, _ in between if b is not None]
            last = parameter.versions[-1]
            if between and last is not between[-1][0] and not updates:
                updates.append(Update(parameter.name, between[-1][0], last))
            found = [self._verdict(u, loss, mode) for u in updates[:most_updates]]
            if all(v.reverse is None for v in found):
                found = [Verdict(Update(parameter.name, parameter.versions[0], last), UNUSED)]
            groups.append(found)
        references: dict[int, Verdict] = {}
        for v in (v for group in groups for v in group):
            if v.what == RIGHT and not v.is_number:
                references.setdefault(id(v.reverse), v)
        return Judgement(loss, mode, [v for group in groups for v in self._steady(group, references)])

    def _steady(self, verdicts: list[Verdict], references: dict[int, Verdict]) -> list[Verdict]:
        """Of a single number, a multiple of any other: only the multiples that are the same in all steps.

        The same is meant beside those of other parameters, the `references`, where there are any.
        """
        judged = [v for v in verdicts if v.what == RIGHT and v.is_number]
        largest = max((abs(v.truth.item()) for v in judged), default=0.0)
        judged = [v for v in judged if abs(v.truth.item()) > 1e-9 * largest and not _is_rounding(v.update)]
        if len(judged) < 2:
            return verdicts
        beside = [references.get(id(v.reverse)) for v in judged]
        scales = [1.0 if r is None or not r.found else r.found[0][1] for r in beside]
        rates = [1.0 if r is None else r.step for r in beside]
        tables = [{origin(n): c / scale for n, c in v.found} for v, scale in zip(judged, scales, strict=True)]
        common = set.intersection(*(set(t) for t in tables))
        kept = {key for key in common if all(_has([tables[0][key]], t[key]) for t in tables)}
        known = [(v.step, rate) for v, rate in zip(judged, rates, strict=True) if rate is not None]
        known = known or [(v.step, 1.0) for v in judged]
        steps = [step / rate for step, rate in known if step is not None]
        is_steady = len(steps) == len(known) and are_equal(steps)
        made = {}
        for v in judged:
            found = [(n, c) for n, c in v.found if origin(n) in kept and self._is_handed_on(v, n)]
            what = RIGHT if found or is_steady else WRONG
            made[id(v)] = v._replace(found=found, step=v.step if is_steady else None, what=what)
        return [made.get(id(v), v) for v in verdicts]

    def _is_handed_on(self, verdict: Verdict, node: Node) -> bool:
        """Whether an update takes a node as it is: not multiplied with something of the forward pass."""
        return verdict.update.new.index in self._followed(verdict, {node.index})[0]

    def _followed(self, verdict: Verdict, starts: set[int]) -> tuple[set[int], Node | None]:
        """What an update makes of some nodes, and what multiplies them with a part of the forward pass."""
        reached, taken, spoiled = set(starts), set(verdict.reverse.nodes), None
        for n in self.made_of(verdict.update):
            others = [m.index for m in n.inputs if m.index not in reached]
            is_taken = any(i in taken for i in others)
            is_made = len(others) < len(n.inputs)
            is_product = is_made and is_taken and n.operation in ("multiply", "divide")
            if is_product and n.index not in starts:
                spoiled = spoiled or n
            if n.index in starts or (is_made and not is_product):
                reached.add(n.index)
            elif is_taken:
                taken.add(n.index)
        return reached, spoiled

    def gradients_in(
        self, update: Update, truth: Array, forward: Collection[int], changed: Mapping[int, Array] = EMPTY
    ) -> list[tuple[Node, float]]:
        """The arrays of an update that are multiples of the gradient.

        None if after them it is summed up, multiplied with something of the forward pass, or added to something
        that is made of more of it than the parameter.
        """
        found: list[tuple[Node, float]] = []
        reached: set[int] = set()
        taken: set[int] = set()  # what is made of the forward pass, and of no gradient
        foreign: set[int] = set()  # and of more than the parameter itself, as a penalty is, or a state
        ends = [update.new]  # what is written into it, which is no gradient even if the parameter was 0
        while ends[-1].operation == "setitem":
            ends.append(ends[-1].inputs[1])
        for n in self.made_of(update):
            value = changed.get(n.index, n.value)
            c = None
            if n.index not in forward and n not in ends and value.size == truth.size:
                c = multiple(value, truth) if n.index in changed else self._multiple(n, truth)
            if c is not None:
                found.append((n, c))
            others = [m.index for m in n.inputs if m.index not in reached]
            is_taken = any(i in forward or i in taken for i in others)
            is_foreign = any((i in forward and i > update.old.index) or i in foreign for i in others)
            is_lost = n.operation in REDUCTIONS and value.size < truth.size
            is_lost |= is_taken and n.operation in ("multiply", "divide")
            is_lost |= is_foreign and n.operation in ("add", "subtract") and n.index not in self.versions
            if c is not None or (not is_lost and len(others) < len(n.inputs)):
                reached.add(n.index)
            else:
                taken |= {n.index} if is_taken else set()
                foreign |= {n.index} if is_foreign else set()
        return found if update.new.index in reached else []

    def spoiled(self, verdict: Verdict) -> Node | None:
        """What multiplies the gradient of an update with a part of the forward pass; None if nothing does."""
        nodes = (n for n in self.made_of(verdict.update) if n.index not in verdict.reverse.nodes)
        gradients = {n.index for n in nodes if self._multiple(n, verdict.truth) is not None}
        return self._followed(verdict, gradients)[1] if gradients else None

    def _multiple(self, node: Node, truth: Array) -> float | None:
        """The same as `multiple`, kept for the next time."""
        key = node.index, id(truth)
        known = self._multiples.get(key)
        if known is None or known[0] is not truth:
            known = self._multiples[key] = truth, multiple(node.value, truth)
        return known[1]

    def constant_row(self, update: Update, truth: Array) -> int | None:
        """The row of a table, looked up by indices, that has a gradient and never changes, such as padding."""
        old, new = update.old, update.new
        if old.value.ndim != 2 or new.value.shape != old.value.shape:
            return None
        has_gradient, changes = truth.any(axis=1), (new.value != old.value).any(axis=1)
        rows = np.flatnonzero(has_gradient & ~changes)
        following = (n for n in self.tape.nodes[old.index : old.index + FAR] if n.operation == "getitem")
        is_table = any(old in n.inputs and n.value.shape[-1:] == old.value.shape[1:] for n in following)
        return int(rows[0]) if is_table and len(rows) == 1 and changes.any() else None

    def step_of(self, new: Array, update: Update, truth: Array) -> float | None:
        """How many times the true gradient an update goes down, beside weight decay; None if it does not."""
        old = update.old.value
        if new.size != old.size:
            return None
        change = new.reshape(-1) - old.reshape(-1)
        step = multiple(change.reshape(old.shape), truth)
        if step is None and self.owners[update.old.index] not in self._penalised:
            found = decayed(change, truth.reshape(-1), old.reshape(-1))
            step = found[0] if found is not None and found[1] < 0 else None
        return None if step is None else -step

    def has_history(self, update: Update) -> bool:
        """Whether an update is made of something that earlier steps have made, such as a momentum."""
        taken = (m for n in self.made_of(update) for m in n.inputs)
        return any(
            m.index < update.old.index
            and m.index in self.depends
            and m.operation != "getitem"
            and m.index not in self.versions
            for m in taken
        )

    def _is_penalised(self, update: Update) -> bool:
        """Whether a multiple of the parameter is added to its gradient."""
        nodes = self.made_of(update)
        terms = (
            m for n in nodes if n.operation in ("add", "subtract") for m in n.inputs
            if m.value.size > 1 and (n is not update.new or m.operation in ("multiply", "divide"))
        )  # fmt: skip
        return any(multiple(m.value, update.old.value.astype(float)) for m in terms)

    @cached_property
    def _penalised(self) -> set[int]:
        """The parameters of which squares or absolute values are taken in the steps, for a penalty."""
        versions: set[int] = set()
        for n in self.tape.nodes:
            of = [m.inputs[0] if m.operation in ("transpose", "getitem") else m for m in n.inputs]
            is_product = n.operation in ("multiply", "dot", "matmul") and of[0] is of[-1] and len(of) > 1
            if of and (is_product or n.operation in ("square", "power", "absolute", "norm", "vdot")):
                versions.add(of[0].index)
        return {
            p.versions[0].index for p in self.parameters
            if 2 * sum(v.index in versions for v in p.versions) >= len(p.used)
        }  # fmt: skip

    def _steps(self, loss: Objective) -> list[list[tuple[Node, Node | None, int]]]:
        """By parameter: the versions with the next ones between which the loss is computed, and how often."""
        times = sorted(node.index for node, _ in loss.instances)
        found = []
        for p, following in zip(self.parameters, self._following, strict=True):
            pairs = zip(p.used, following, strict=True)
            ends = [(old, new, (new or p.versions[-1]).index) for old, new in pairs]
            counts = [bisect_left(times, end) - bisect_right(times, old.index) for old, _, end in ends]
            found.append([(old, new, n) for (old, new, _), n in zip(ends, counts, strict=True) if n > 0])
        return found

    def _is_repeated(self, loss: Objective) -> bool:
        """Whether a loss is computed more than once between two updates: the last one counts, or all."""
        return any(count > 1 for steps in self._steps(loss) for _, _, count in steps)

    def is_of_the_steps(self, judgement: Judgement) -> bool:
        """Whether a loss is computed in every other step at least, or of the data of the step.

        What is computed now and then, of all data, says nothing of a step with a part of them.
        """
        steps = [
            len(found) / max(1, len(p.used))
            for found, p in zip(self._steps(judgement.loss), self.parameters, strict=True)
        ]
        if judgement.loss.kind or max(steps, default=0) >= 0.5:
            return True

        def products(nodes: Iterable[Node]) -> set[bytes]:
            made = (n for n in nodes if n.index in self.depends and n.operation in FORWARD_PRODUCTS)
            return {n.value.tobytes() for n in made}

        made = [n for v in judgement.verdicts for n in self.made_of(v.update)]
        return all(products(v.reverse.nodes.values()) <= products(made) for v in judgement.wrong[:1])

    @staticmethod
    def _is_noise(truth: Array, reverse: Reverse) -> bool:
        """Whether a gradient is 0 but for rounding, as that of a bias before batch normalisation."""
        size = float(np.abs(truth).max())
        return size < 1e-6 and size <= NOISE * max(np.abs(g).max(initial=0) for _, g in reverse.pairs())

    def _reverse_of(self, update: Update, loss: Objective, mode: str) -> Reverse | None:
        """The reverse pass of the loss of this step, computed before its update or after, if it reaches it."""
        own = next(p for p in self.parameters if p.versions[0].index == self.owners[update.old.index])
        end = next((v.index for v in own.used if v.index > update.new.index), float("inf"))
        for first, last in ((update.old.index, update.new.index), (update.new.index, end)):
            between = [s for n, s in loss.instances if first < n.index < last]
            seeds = [self._together(between)] if mode == "all" and between else between[::-1]
            reverse = next((r for s in seeds if update.old in (r := self.reverse(s))), None)
            if reverse is not None:
                return reverse
        return None

    def unknown(self, verdicts: Iterable[Verdict]) -> list[Node]:
        """Operations without a derivative between the parameters and the loss."""
        passes = (v.reverse for v in verdicts if v.reverse is not None)
        return [n for reverse in passes for n in reverse.unknown if n.index in self.depends]

    def parts(self, update: Update) -> list[Reverse]:
        """The reverse passes of what another loss is computed from, such as the loss without a penalty."""
        inner = [n for n in self.losses if n.is_inner and n.name and not self._is_repeated(n)][:4]
        return [r for loss in inner if (r := self._reverse_of(update, loss, "all")) is not None]

    def _hidden(self, reverse: Reverse) -> set[int]:
        """The versions of parameters behind operations without a derivative: their gradient is only a part."""
        found = ancestors(reverse.unknown, lambda n: n.index not in self.versions)
        return found.keys() & self.versions if reverse.unknown else set()

    def _verdict(self, update: Update, loss: Objective, mode: str) -> Verdict:
        reverse = self._reverse_of(update, loss, mode)
        if reverse is None:
            return Verdict(update, UNKNOWN)
        truth = reverse[update.old]
        old, new = update.old.value.reshape(-1), update.new.value.reshape(-1)
        is_wide = new.size != old.size  # broadcasting has changed its shape
        row = self.constant_row(update, truth)
        if row is not None:
            truth = truth.copy()
            truth[row] = 0
        if not np.any(truth) or self._is_noise(truth, reverse):
            change = new - old if not is_wide else new
            decay = multiple(change, old.astype(float)) if change.size > 1 else None
            is_still = np.abs(change).max(initial=0) <= NOISE * np.abs(old).max(initial=1)
            is_still |= decay is not None and -0.5 < decay < 0
            is_moved = np.any(truth) or self.has_history(update)  # noise that Adam scales up, or a momentum
            return Verdict(update, STILL if is_still or is_moved else WRONG, truth, reverse=reverse)
        if not np.isfinite(truth).all() or update.old.index in self._hidden(reverse):
            return Verdict(update, UNKNOWN, truth, reverse=reverse)
        forward = {n.index for n in reverse.nodes.values()}
        rows = truth.any(axis=tuple(range(1, truth.ndim)))
        found = self.gradients_in(update, truth, forward)
        if not found and truth.ndim > 1 and not rows.all():  # of a table, the rows that are used
            found = self.gradients_in(update, truth[rows], forward)
        is_part = bool(loss.kind) or loss.is_inner  # of the program's own loss, which has a penalty
        if is_part and self.owners[update.old.index] in self._penalised and self._is_penalised(update):
            found = []
        step = self.step_of(update.new.value, update, truth)
        what = RIGHT if (found or step) and not is_wide else WRONG
        return Verdict(update, what, truth, found, step, reverse)
