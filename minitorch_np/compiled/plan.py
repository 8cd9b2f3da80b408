"""A plan: the step for one shape of x and y, bound to the arrays of the model and its optimizer."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import warnings
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from inspect import getattr_static
from itertools import count
from operator import attrgetter
from types import CodeType, MethodType
from typing import Any

import numpy as np

from minitorch_np._internal.flat_buffers import BLOCK_BYTES
from minitorch_np._internal.numerics import summed_rows
from minitorch_np._internal.syntax_trees import walked
from minitorch_np.compiled.kept import MOST, derived_once
from minitorch_np.compiled.lowering import Lowered, Lowering, Operation, changed_in, joined, owners
from minitorch_np.compiled.planning import FAILED, Blockwise, Planned
from minitorch_np.compiled.reads import HOLDERS, Content, Contents, compared, is_as_read
from minitorch_np.compiled.rollback import copied
from minitorch_np.compiled.unchanged import unchanged
from minitorch_np.derivation.derive import Derivation
from minitorch_np.derivation.objects import OURS, UNSET, Read
from minitorch_np.layer import Layer
from minitorch_np.layers.sequential import Sequential
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import CHANGES, FORGOTTEN, STEPS_MADE, CountsChanges

HAS_GRAD = attrgetter("has_grad")

VERIFIED = 3  # steps of each plan that are made beside the layers


class Held:
    """An array or a generator that a layer holds; it may be another object at each step."""

    def __init__(self, owner: Any, key: Any) -> None:
        self.owner, self.key = owner, key
        self.object = self.now()

    def now(self) -> Any:
        return self.owner[self.key] if isinstance(self.owner, HOLDERS) else getattr(self.owner, self.key)

    def put_back(self, thing: Any) -> None:
        """Have the numbers of a copy again, in the same object if it takes them."""
        now = self.now()
        if isinstance(now, np.random.Generator):
            now.bit_generator.state = thing.bit_generator.state
        elif now.shape == thing.shape and now.dtype == thing.dtype:
            now[...] = thing
        elif isinstance(self.owner, list | dict):
            self.owner[self.key] = thing
        else:
            setattr(self.owner, self.key, thing)

    def fits(self, thing: Any) -> bool:
        """Whether another object is as good as the first one was."""
        mine = self.object
        if isinstance(mine, np.ndarray):
            same = type(thing) is np.ndarray and (thing.shape, thing.dtype) == (mine.shape, mine.dtype)
            return bool(same and thing.flags.c_contiguous == mine.flags.c_contiguous)
        return type(thing) is type(mine)


class Group:
    """A param group as it was at the last step."""

    def __init__(self, group: Any) -> None:
        self.group, self.buffers, self.counts = group, group.buffers, group.counts
        self.states, self.steps = group.buffers.states, group.buffers.steps
        self.options = group.options
        self.flags = {key: value for key, value in group.options.items() if not _is_number(value)}


class CompiledRule:
    """The optimizer's rule as it was: what decided, which arrays it holds, whether its update is trusted."""

    def __init__(self, derived: Derivation) -> None:
        self.left = derived.left  # why the optimizer makes the update
        self.held = {
            variable.key: Held(origin.owner, origin.key)
            for variable, origin in derived.given
            if isinstance(origin.owner, Optimizer)
        }
        reads = compared(derived.rule_reads)
        self.counted = [read for read in reads if _is_counted(read)]
        uncounted = [read for read in reads if not _is_counted(read)]
        uncounted += [Read(held.owner, held.key, held.object) for held in self.held.values()]
        self.contents = Contents(uncounted) if uncounted else None
        self.is_same = True  # as far as changes are counted
        self.verified = 0
        self.is_trusted = False  # whether enough of its updates have had the bits of the optimizer's step

    def has_same_bits(self) -> None:
        """Count an update that was made beside the optimizer's step."""
        self.verified += 1
        self.is_trusted = self.verified >= VERIFIED


class Plan:
    """The functions of a step, the arrays that they are bound to, and what must hold.

    Raises ValueError for a step that cannot be compiled.
    """

    def __init__(self, model: Layer, loss: Loss | None, optimizer: Optimizer | None, x: Any, y: Any) -> None:
        self.optimizer = optimizer
        self.shapes = x.shape, None if y is None else y.shape
        self.dtypes = x.dtype, None if y is None else y.dtype
        self.training = model.training
        ready = [] if optimizer is None else optimizer.ready()
        for group in ready:
            group.buffers.fetch()
        self.number_of_groups = len(ready)
        derived, kept = derived_once(model, loss, optimizer, x, y)
        if derived.leftovers:
            names = ", ".join(derived.leftovers)
            raise ValueError(f"a layer keeps {names}, which is no parameter and no buffer")
        self.reads = compared(derived.reads)
        counted = {id(layer._layers) for layer in model.modules() if isinstance(layer, Sequential)}
        uncounted = [read for read in self.reads if not _is_counted(read) and id(read.owner) not in counted]
        self.contents = Contents(uncounted) if uncounted else None
        self.rule = CompiledRule(derived)
        self.changes = -1
        self.owned = {id(parameter) for group in ready for parameter in group.buffers.parameters}
        self.arrays = [(p, p.data, p.grad) for p in model.parameters()]
        self.verified = 0
        self.refused = 0  # how often a decision was another one before that
        self.texts: list[str] = []
        self.held: list[Held] = []
        self.options: list[tuple[int, Any]] = []
        self.given: list[Any] = []  # the options, as the update takes them
        self.numbers: list[tuple[int, Any]] = []  # arrays of an option each, by its place among them
        self.is_trusted = False  # whether enough of its steps have had the bits of the layers
        self.groups: list[Group] = []
        self.updates = False
        self._values: dict[str, Any] = {}  # of what the functions are given
        self._fixed: dict[str, Any] = {}  # arrays that stay where they are
        self._flats: list[tuple[Any, Any]] = []  # those of the optimizer: their first blocks, and the whole
        self._bind(derived, x, y)
        lowered = (kept and kept.lowered) or self._lowered(derived)
        if kept is not None:
            kept.lowered = lowered
        self._compile(derived, lowered)
        self._values.clear()  # the first batch is among them
        self.unchanged = unchanged(self, model, optimizer) if self.updates else None

    def _bind(self, derived: Derivation, x: Any, y: Any) -> None:
        """Find the arrays and numbers that the statements are about."""
        for variable, (kind, owner, key) in derived.given:
            if kind == "data":
                self._values[variable.key] = x if key == "x" else y
            elif kind == "parameter":
                self._fixed[variable.key] = owner.data
            elif variable.key in self.rule.held:
                self._fixed[variable.key] = self.rule.held[variable.key].object
            elif kind == "held":
                self.held.append(Held(owner, key))
                self._values[variable.key] = self.held[-1].object
            elif kind == "option":
                self.options.append((owner, key))
                self._values[variable.key] = _option(self._group(owner).options, key)
            elif kind == "step":
                self._values[variable.key] = variable.value
            else:
                name, part = key
                buffers = self._group(owner).buffers
                flat = buffers.states[name] if kind == "state" else getattr(buffers, name)
                block = flat[part][: BLOCK_BYTES // flat.itemsize]
                self._fixed[variable.key] = block
                self._flats.append((block, flat[part]))
        for variable in derived.constants:
            self._values.setdefault(variable.key, derived.starts[variable.key])

    def _compile(self, derived: Derivation, lowered: Lowered) -> None:
        lowering, gradients, update = lowered
        parameters = zip(derived.model.parameters(), self.arrays, strict=True)
        by_name = {derived.roles.parameters[id(mine)]: original for mine, (original, _, _) in parameters}
        made = [(by_name[name], variable.key) for name, variable in derived.gradients.items()]
        self.targets = [parameter for parameter, _ in made if id(parameter) in self.owned]
        frozen = {key: parameter for parameter, key in made if id(parameter) not in self.owned}
        if frozen and summed_rows in derived.called.values():  # one by one, to what is there already
            raise ValueError("the layers add rows to the gradient of a parameter that no optimizer has")
        self.frozen = {key: (parameter, np.empty_like(parameter.grad)) for key, parameter in frozen.items()}
        grads = {key: self.frozen[key][1] if key in self.frozen else parameter.grad for parameter, key in made}
        names = _names(derived, [*gradients, *update])
        output = derived.prediction.key
        own = {operation.target for operation in gradients if isinstance(operation.code, ast.expr)} & {output}
        kept = {key: np.empty_like(lowering.values[key]) for key in own}  # no buffer otherwise
        given: dict[str, list[str]] = {}
        for variable, origin in derived.given:
            kind = "held by the rule" if variable.key in self.rule.held else origin.kind
            given.setdefault(kind, []).append(variable.key)
        functions = dict(derived.called)
        planned = Planned(
            gradients, lowering.values, lowering.constants, self._fixed, grads | kept, names, functions, output
        )
        for name, variable in derived.gradients.items():
            planned.label(grads[variable.key], f"grad_{name}")
        arguments = [*given.get("data", []), *given.get("held", [])]
        self.gradients = self._function(
            planned, names, "gradients" if lowering.loss else "forward", arguments, lowering.loss or output
        )
        if planned.changes(given.get("parameter", [])):
            raise ValueError("a layer writes into a parameter: that is the optimizer's")
        self.is_fragile = planned.changes_before_its_end(given.get("held", []))
        self.prediction = planned.places.get(output)
        if self.prediction is None:
            raise ValueError("what the model makes of x is no array of its own")
        sizes = {len(whole) for _, whole in self._flats}
        has_blocks = any(len(first) < len(whole) for first, whole in self._flats)
        if self.optimizer is None or derived.left or (has_blocks and len(sizes) > 1):
            return
        options = [key for key in given.get("option", []) if _is_number(lowering.values[key])]
        planned = Planned(
            update, lowering.values, lowering.constants, self._fixed, {}, names, functions, options=options
        )
        arguments = [*given.get("step", []), *given.get("option", [])]
        blocks = Blockwise(self._flats) if has_blocks else None
        if blocks is not None and not planned.goes_by(blocks):
            return
        self.update = self._function(planned, names, "update", arguments, "", blocks)
        self.groups = [Group(group) for group in self.optimizer._groups]
        places = {key: i for i, key in enumerate(given.get("option", []))}
        self.numbers = [(places[key], array) for key, array in planned.numbers]
        self._take_numbers()
        learned = sum(len(group.buffers.parameters) for group in self.optimizer._groups)
        self.updates = len(self.targets) == learned

    def _lowered(self, derived: Derivation) -> Lowered:
        """The operations of the passes and those of the update."""
        values = {key: copied(value) for key, value in {**self._values, **self._fixed}.items()}
        passes = [statement.tree() for statement in (*derived.forward, *derived.backward)]
        update = [statement.tree() for statement in derived.update]
        statements = joined([*passes, *update])
        changed = _with_their_memory(changed_in(statements), derived)
        uses = Counter(
            node.id
            for part in statements
            for node in walked(part)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        )
        uses.update([derived.prediction.key, *(variable.key for variable in derived.gradients.values())])
        lowering = Lowering(values, dict(derived.called), changed, uses)
        unbound = [variable.key for variable in derived.constants if variable.origin is None]
        lowering.constants |= {key: self._values[key] for key in unbound if key not in lowering.changed}
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            lowering.lower(passes)
            gradients = lowering.taken()
            lowering.lower(update)
        return Lowered(lowering, gradients, lowering.taken())

    def _function(
        self,
        planned: Planned,
        names: dict[str, str],
        called: str,
        arguments: list[str],
        result: str,
        blocks: Blockwise | None = None,
    ) -> Callable[..., Any]:
        for key, array in self._fixed.items():
            planned.label(array, names[key])
        text = planned.text(called, arguments, result, blocks)
        self.texts.append(text)
        exec(_code(text, f"<compiled {called}>"), planned.scope)
        function: Callable[..., Any] = planned.scope[called]
        return function

    def _group(self, number: int) -> Any:
        optimizer: Any = self.optimizer
        return optimizer._groups[number]

    def has_same_bits(self) -> None:
        """Count gradients that were made beside the layers."""
        self.verified += 1
        self.is_trusted = self.verified >= VERIFIED

    def is_for(self, x: Any, y: Any, training: bool) -> bool:
        """Whether it was made for arrays like these; it may be for equal dtypes that are other objects."""
        if x.shape != self.shapes[0] or x.dtype is not self.dtypes[0] or training is not self.training:
            return False
        return y is None or (y.shape == self.shapes[1] and y.dtype is self.dtypes[1])

    def fits(self) -> bool:
        """Whether everything that decided is as it was, and the arrays are where they were."""
        if self.changes != CHANGES[0]:
            if not all(map(is_as_read, self.reads)):
                return False
            for parameter, data, grad in self.arrays:
                if parameter._data is not data or parameter._grad is not grad:
                    return False
            if self.optimizer is not None and len(self.optimizer._groups) != self.number_of_groups:
                return False
            self.rule.is_same = all(map(is_as_read, self.rule.counted))
            self.changes = CHANGES[0]
        elif self.contents is not None and not self.contents.are_as_read():
            return False
        for group in self.groups:  # noqa: SIM110 (a generator takes longer than the check)
            if group.buffers.states is not group.states:
                return False
        return True

    def is_complete(self) -> bool:
        """Whether all parameters have gradients for an update, each begun since the last one."""
        return all(p.has_grad and not p.is_mixed for p in self.targets)

    def is_free(self) -> bool:
        """Whether no gradients are waiting, to which those of a step would be added."""
        return not any(map(HAS_GRAD, self.targets))

    def hand_over(self) -> None:
        """Leave the gradients for a step that follows."""
        self.mark()
        self.add_frozen()

    def mark(self) -> None:
        """Mark the gradients as there."""
        for parameter in self.targets:
            parameter.has_grad = True
            parameter._begun = STEPS_MADE[0]

    def add_frozen(self) -> None:
        """Add the gradients of parameters that no optimizer has to theirs, as the layers do."""
        for parameter, gradient in self.frozen.values():
            parameter.add_grad(gradient)

    def held_now(self) -> list[Any] | None:
        """The arrays and generators that layers hold; None if one is not what it was."""
        found = []
        for held in self.held:
            thing = held.now()
            if thing is not held.object:
                if not held.fits(thing):
                    return None
                held.object = thing
            found.append(thing)
        return found

    def next_step(self) -> int | None:
        """The number of the step that all parameters make next; None where the optimizer makes it itself."""
        rule = self.rule
        is_its_rule = rule.is_same and (rule.contents is None or rule.contents.are_as_read())
        if not (self.updates and is_its_rule) or FORGOTTEN:
            return None
        step = 1
        for known in self.groups:
            if known.group.options is not known.options and not self._take_options(known):
                return None
            if not known.counts:
                continue
            steps = known.buffers.steps
            if steps is not known.steps:
                if len(set(steps)) > 1:
                    return None
                known.steps = steps
            if step not in (1, steps[0] + 1):
                return None
            step = steps[0] + 1
        return step

    def _take_options(self, known: Group) -> bool:
        """Take options that were changed, as a schedule does; False for one that decides what is computed."""
        options = known.group.options
        if any(options[key] != value for key, value in known.flags.items()):
            return False
        known.options, known.counts = options, known.group.counts
        self._take_numbers()
        return True

    def _take_numbers(self) -> None:
        self.given = [_option(self._group(number).options, key) for number, key in self.options]
        for place, array in self.numbers:
            array[...] = self.given[place]

    def do_update(self, step: int) -> bool:
        """Make the optimizer's step on the gradients that are there; False if it would be another one."""
        try:
            if self.update(step, *self.given) is FAILED:
                return False
        except BaseException as error:
            self._count(step)
            self.consume()
            error.add_note("(a compiled step ended in its middle: some parameters have made it, others not)")
            raise
        self._count(step)
        return True

    def _count(self, step: int) -> None:
        STEPS_MADE[0] += 1
        for known in self.groups:
            if known.counts:
                known.buffers.steps = known.steps = [step] * len(known.steps)

    def consume(self) -> None:
        """Mark the gradients as used."""
        for parameter in self.targets:
            parameter.has_grad = False


@lru_cache(maxsize=2 * MOST)
def _code(text: str, name: str) -> CodeType:
    return compile(text, name, "exec")


def _is_counted(read: Read) -> bool:
    """Whether a change of what was read is counted: layers and losses, and classes of ours, count theirs."""
    owner, key, value = read
    kind = owner if isinstance(owner, type) else type(owner)
    counts = isinstance(owner, Layer | Loss | CountsChanges)
    if counts and kind.__module__.startswith("minitorch_np."):
        return True
    if counts and key in vars(owner):
        return not isinstance(value, Content)  # these may be changed in place
    is_of_class = isinstance(value, MethodType) or (counts and getattr_static(kind, key, UNSET) is value)
    return is_of_class and issubclass(kind, OURS) and all(map(_counts, kind.__mro__))


def _counts(cls: type) -> bool:
    return isinstance(cls, CountsChanges) or cls.__module__.partition(".")[0] in ("builtins", "minitorch_np")


def _with_their_memory(changed: frozenset[str], derived: Derivation) -> set[str]:
    """These names of arrays, and those of arrays that are parts of the same ones."""
    memory = {key: owners(variable.value) for key, variable in derived.variables.items()}
    written = {owner for key in changed & memory.keys() for owner in memory[key]}
    return {key for key, parts in memory.items() if parts & written}


def _option(options: dict[str, Any], key: Any) -> Any:
    return options[key[0]][key[1]] if isinstance(key, tuple) else options[key]


def _is_number(value: Any) -> bool:
    parts = value if isinstance(value, tuple) else (value,)
    return all(isinstance(part, int | float) and not isinstance(part, bool) for part in parts)


def _names(derived: Derivation, operations: list[Operation]) -> dict[str, str]:
    """A name for each variable in the text: that of its role, or of its source."""
    taken = {*keyword.kwlist, *vars(builtins), "np", "TRUE", "FAILED", *derived.called}
    names: dict[str, str] = {}
    for variable in derived.variables.values():
        wanted = re.sub(r"\W", "_", variable.name or variable.hint) or "value"
        numbered = (f"{wanted}{number}" for number in count(2))
        chosen = wanted
        while chosen in taken or not chosen.isidentifier():
            chosen = next(numbered)
        taken.add(chosen)
        names[variable.key] = chosen
    temporary = {operation.target: operation.target[1:] for operation in operations if operation.target}
    return {**temporary, **names, "$loss": "loss"}
