"""A compiled training step, and what it is held to: the bits of the layers, or else the layers themselves."""

from __future__ import annotations

import builtins
import copy
import keyword
import re
import warnings
from collections.abc import Callable
from itertools import count
from threading import Lock
from types import MethodType
from typing import Any

import numpy as np

from minitorch_np._internal.flat_buffers import BLOCK_BYTES
from minitorch_np.compiled.lowering import Lowering, changed_in, joined
from minitorch_np.compiled.planning import Planned
from minitorch_np.derivation.derive import Derivation, Read, derive
from minitorch_np.layer import Layer
from minitorch_np.layers.sequential import Sequential
from minitorch_np.losses.loss import Loss
from minitorch_np.module import CHANGES
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import FORGOTTEN, STEPS_MADE, Parameter

VERIFIED = 3  # steps of each plan that are made beside the layers

ONE_THREAD = "a compiled step is used by one thread at a time: make one for each thread"

FAILED = object()  # what a compiled function returns if a decision would be another one now


class Held:
    """An array or a generator that a layer holds; it may be another object at each step."""

    def __init__(self, owner: Any, key: Any) -> None:
        self.holder = owner if isinstance(owner, list | dict) else vars(owner)
        self.key = key
        self.object = self.holder[key]

    def now(self) -> Any:
        return self.holder[self.key]

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
        self.buffers, self.counts = group.buffers, group.counts
        self.data, self.states, self.steps = group.buffers.data, group.buffers.states, group.buffers.steps
        self.options = group.options
        self.flags = {key: value for key, value in group.options.items() if not _is_number(value)}


class Plan:
    """The step for one shape of x and y: its functions, the arrays that they are bound to, and what must hold.

    Raises ValueError for a step that cannot be compiled.
    """

    def __init__(self, model: Layer, loss: Loss | None, optimizer: Optimizer | None, x: Any, y: Any) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        if optimizer is not None:
            optimizer.ready()
            for group in optimizer._groups:
                group.buffers.fetch()
        derived = derive(model, loss, optimizer, x, y, plain=False)
        if derived.leftovers:
            raise ValueError(
                f"a layer keeps {', '.join(derived.leftovers)}, which is no parameter and no buffer"
            )
        self.reads = [read for read in derived.reads if _can_be_compared(read)]
        counted = {id(layer._layers) for layer in model.modules() if isinstance(layer, Sequential)}
        self.contents = [  # of lists and dicts whose changes are not counted
            read for read in self.reads if isinstance(read.owner, list | dict) and id(read.owner) not in counted
        ]
        self.changes = -1
        self.parameters = list(model.parameters())
        self.arrays = [(p, p.data, p.grad) for p in self.parameters]
        self.held: list[Held] = []
        self.options: list[tuple[int, Any]] = []
        self.verified = 0
        self.updates = False
        self.groups: list[Group] = []
        self.given: list[Any] = []  # the options, as the update takes them
        self.texts: list[str] = []
        self._compile(derived, x, y)

    def _compile(self, derived: Derivation, x: Any, y: Any) -> None:
        values: dict[str, Any] = {}
        fixed: dict[str, Any] = {}
        for variable in derived.given:
            kind, owner, key = variable.origin  # type: ignore[misc]
            if kind == "data":
                values[variable.key] = x if key == "x" else y
            elif kind == "parameter":
                fixed[variable.key] = owner.data
            elif kind == "held":
                self.held.append(Held(owner, key))
                values[variable.key] = self.held[-1].object
            elif kind in ("flat", "state"):
                name, part = key
                buffers = self._group(owner).buffers
                flat = buffers.states[name] if kind == "state" else getattr(buffers, name)
                fixed[variable.key] = flat[part]
            elif kind == "option":
                self.options.append((owner, key))
                values[variable.key] = _option(self._group(owner).options, key)
            elif kind == "step":
                values[variable.key] = derived.first_step
        for variable in derived.constants:
            values.setdefault(variable.key, derived.starts[variable.key])
        given = {v.origin.kind: [] for v in derived.given if v.origin}  # type: ignore[var-annotated]
        for variable in derived.given:
            if variable.origin is not None:
                given[variable.origin.kind].append(variable.key)
        names = _names(derived)
        work = {key: _copied(value) for key, value in {**values, **fixed}.items()}
        everything = [*derived.forward, *derived.backward, *derived.update]
        lowering = Lowering(work, dict(derived.called), changed_in(joined(everything)))
        bound = [v.key for v in derived.constants if v.origin is None]
        lowering.constants |= {key: values[key] for key in bound if key not in lowering.changed}
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            lowering.lower([*derived.forward, *derived.backward])
            gradients, lowering.operations = lowering.operations, []
            lowering.same.clear()
            lowering.lower(derived.update)
            update = lowering.operations
        by_name = {
            derived.roles.parameters[id(p)]: q
            for p, q in zip(derived.model.parameters(), self.parameters, strict=True)
        }
        targets = {v.key: by_name[name].grad for name, v in derived.gradients.items()}
        self.targets = [by_name[name] for name in derived.gradients]
        for operation in (*gradients, *update):
            names.setdefault(
                operation.target,
                f"t{operation.target[2:]}" if operation.target[1:2] == "t" else operation.target[1:],
            )
        result = lowering.loss
        if self.loss is None:
            result = derived.prediction.node.id  # type: ignore[attr-defined]
        planned = Planned(gradients, work, lowering.constants, fixed, targets, names, dict(derived.called))
        planned.scope["FAILED"] = FAILED
        for key, array in fixed.items():
            planned.label(array, names[key])
        for name, variable in derived.gradients.items():
            planned.label(targets[variable.key], f"grad_{name}")
            del variable
        parameters = [*given.get("data", []), *given.get("held", [])]
        self.gradients = self._function(planned, "gradients", parameters, result)
        self.draws = planned.draws
        flats = [a for key, a in fixed.items() if key in given.get("flat", [])]
        if self.optimizer is None or any(flat.nbytes > BLOCK_BYTES for flat in flats):
            return
        planned = Planned(update, work, lowering.constants, fixed, {}, names, dict(derived.called))
        planned.scope["FAILED"] = FAILED
        for key, array in fixed.items():
            planned.label(array, names[key])
        self.update = self._function(planned, "update", [*given.get("step", []), *given.get("option", [])], "")
        self.states = [
            (group.buffers, group.buffers.data, group.buffers.states) for group in self.optimizer._groups
        ]
        self.groups = [Group(group) for group in self.optimizer._groups]
        self.given = [_option(self._group(number).options, key) for number, key in self.options]
        self.updates = len({id(p) for p in self.targets}) == sum(
            len(g.buffers.parameters) for g in self.optimizer._groups
        )

    def _function(self, planned: Planned, name: str, parameters: list[str], result: str) -> Callable[..., Any]:
        text = planned.text(name, parameters, result)
        self.texts.append(text)
        exec(compile(text, f"<compiled {name}>", "exec"), planned.scope)
        function: Callable[..., Any] = planned.scope[name]
        return function

    def _group(self, number: int) -> Any:
        assert_optimizer: Any = self.optimizer
        return assert_optimizer._groups[number]

    # what must hold

    def holds(self) -> bool:
        """Whether everything that decided when it was compiled is as it was."""
        if self.changes != CHANGES[0]:
            if not all(map(_is_as_read, self.reads)):
                return False
            self.changes = CHANGES[0]
        elif self.contents and not all(map(_is_as_read, self.contents)):
            return False
        for parameter, data, grad in self.arrays:
            if parameter.has_grad or parameter._data is not data or parameter._grad is not grad:
                return False
        return True

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
        if not self.updates or FORGOTTEN:
            return None
        optimizer: Any = self.optimizer
        step = 1
        for group, known in zip(optimizer.ready(), self.groups, strict=True):
            buffers = group.buffers
            if buffers.data is not known.data or buffers.states is not known.states:
                return None
            if group.options is not known.options and not self._take_options(group, known):
                return None
            if not group.counts:
                continue
            if buffers.steps is not known.steps:
                if len(set(buffers.steps)) > 1:
                    return None
                known.steps = buffers.steps
            if step not in (1, buffers.steps[0] + 1):
                return None
            step = buffers.steps[0] + 1
        return step

    def _take_options(self, group: Any, known: Group) -> bool:
        """Take options that were changed, as a schedule does; False for one that decides what is computed."""
        if any(group.options[key] != value for key, value in known.flags.items()):
            return False
        known.options = group.options
        self.given = [_option(self._group(number).options, key) for number, key in self.options]
        return True

    def do_update(self, step: int) -> bool:
        """Make the optimizer's step on the gradients that are there; False if it would be another one."""
        try:
            if self.update(step, *self.given) is FAILED:
                return False
        except BaseException as error:
            self._consume(step)
            error.add_note("(a compiled step ended in its middle: some parameters have made it, others not)")
            raise
        self._consume(step)
        return True

    def _consume(self, step: int) -> None:
        STEPS_MADE[0] += 1
        for known in self.groups:
            steps = None
            if known.counts:
                steps = known.steps = [step] * len(known.steps)
            known.buffers.consume(steps)


class CompiledStep:
    """A training step, `value = step(x, y)`: forward, loss, backward and the optimizer's update.

    It has the bits of the layers. For each shape of x and y their source is gone through once, and what
    remains of it, one NumPy call after the other on arrays that are there, becomes a function, whose text
    `source` shows. It works on the parameters, gradients and states themselves, so that compiled and layered
    steps, saving, clipping and schedules mix in any order.

    `gradients(x, y)` and `update()` are its two halves, for clipping in between; two `gradients` before an
    `update` add up. Without loss and optimizer, `step(x)` is the prediction.

    The first steps of each shape are made beside the layers and compared to the bit. Where they differ, where a
    step cannot be compiled, and where something that decided has changed, the layers run; a warning says so
    once for the first two.

    One step object is used by one thread at a time; RuntimeError otherwise.
    """

    def __init__(self, model: Layer, loss: Loss | None = None, optimizer: Optimizer | None = None) -> None:
        for name, thing, kind in (
            ("model", model, Layer),
            ("loss", loss, Loss),
            ("optimizer", optimizer, Optimizer),
        ):
            if not isinstance(thing, kind) and not (thing is None and name != "model"):
                raise TypeError(f"compile expects {name} to be a {kind.__name__}, got {thing!r}")
        if (loss is None) != (optimizer is None):
            raise TypeError("compile expects model, loss and optimizer, or the model alone for prediction")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self._plans: dict[Any, Plan | None] = {}
        self._lock = Lock()
        self._plan: Plan | None = None  # of the last step
        self._has_warned = False

    def __call__(self, x: Any, y: Any = None) -> Any:
        """Make a step; return the loss, or without a loss the prediction."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(ONE_THREAD)
        try:
            return self._forward_alone(x) if self.loss is None else self._step(x, y)
        finally:
            self._lock.release()

    def gradients(self, x: Any, y: Any) -> Any:
        """Add the gradients of the loss to the parameters' own; return the loss."""
        with _OneThread(self._lock):
            plan = self._plan_for(x, y)
            if plan is None or plan.verified < VERIFIED or not plan.holds():
                return self._layered_gradients(x, y)
            value = self._computed(plan, x, y)
            if value is FAILED:
                return self._layered_gradients(x, y)
            for parameter in plan.targets:
                parameter.has_grad = True
                parameter._begun = STEPS_MADE[0]
            return value

    def update(self) -> None:
        """Make the optimizer's step."""
        optimizer: Any = self.optimizer
        with _OneThread(self._lock):
            plan = self._plan
            if plan is not None and plan.verified >= VERIFIED and all(p.has_grad for p in plan.targets):
                mixed = any(p.is_mixed for p in plan.targets)
                step = plan.next_step()
                if step is not None and not mixed and plan.do_update(step):
                    return
            optimizer.step()

    @property
    def source(self) -> str:
        """The text of the functions that the last step ran, or was compiled for."""
        plan = self._plan or next((plan for plan in reversed(self._plans.values()) if plan), None)
        if plan is None:
            raise RuntimeError("nothing is compiled yet, or it could not be: make a step first")
        return "\n\n\n".join(plan.texts) + "\n"

    # with the plan

    def _step(self, x: Any, y: Any) -> Any:
        plan = self._plan_for(x, y)
        if plan is None or not plan.holds():
            return self._layered(x, y)
        if plan.verified < VERIFIED:
            return self._beside(plan, x, y)
        return self._run(plan, x, y)

    def _run(self, plan: Plan, x: Any, y: Any) -> Any:
        step = plan.next_step()
        value = self._computed(plan, x, y)
        if value is FAILED:
            return self._layered(x, y)
        if step is None or not plan.do_update(step):
            for parameter in plan.targets:
                parameter.has_grad = True
                parameter._begun = STEPS_MADE[0]
            self.optimizer.step()  # type: ignore[union-attr]
        return value

    def _computed(self, plan: Plan, x: Any, y: Any) -> Any:
        """The gradients, and the loss; FAILED, with nothing changed, if a decision would be another one."""
        if not plan.held:
            return plan.gradients(x) if self.loss is None else plan.gradients(x, y)
        held = plan.held_now()
        if held is None:
            return FAILED
        states = (
            [h.bit_generator.state for h in held if isinstance(h, np.random.Generator)] if plan.draws else []
        )
        data = (x,) if self.loss is None else (x, y)
        value = plan.gradients(*data, *held)
        if value is FAILED:
            generators = [h for h in held if isinstance(h, np.random.Generator)]
            for generator, state in zip(generators, states, strict=False):
                generator.bit_generator.state = state
        return value

    def _plan_for(self, x: Any, y: Any) -> Plan | None:
        """The plan for arrays like these; None where the layers run."""
        if type(x) is not np.ndarray or (type(y) is not np.ndarray and self.loss is not None):
            return None
        key = x.shape, x.dtype, getattr(y, "shape", ()), getattr(y, "dtype", None), self.model.training
        found = self._plans.get(key, FAILED)
        if found is FAILED:
            found = self._compiled(x, y)
            if found is not FAILED:
                self._plans[key] = found
        plan: Any = None if found is FAILED else found
        if plan is not None and not (x.flags.c_contiguous and (y is None or y.flags.c_contiguous)):
            return None
        self._plan = plan or self._plan
        return plan  # type: ignore[no-any-return]

    def _compiled(self, x: Any, y: Any) -> Any:
        """A plan; None if there can be none, FAILED if it is these data that the layers do not take."""
        dtype = self.model.dtype
        takes = self.model.index_count is not None or x.dtype == (dtype or x.dtype)
        if not takes or x.dtype.hasobject or x.ndim == 0 or len(x) == 0:
            return None
        try:
            return Plan(self.model, self.loss, self.optimizer, x, y)
        except Exception as error:
            if self._is_refused(x, y):
                return FAILED
            self._warn(f"this step cannot be compiled: {error}")
            return None

    def _is_refused(self, x: Any, y: Any) -> bool:
        """Whether copies of the layers refuse these data too."""
        model, loss = copy.deepcopy((self.model, self.loss))
        try:
            with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
                y_pred = model(x)
                if loss is not None:
                    loss(y_pred, y)
                    model.backward(loss.backward())
        except Exception:
            return True
        return False

    def _warn(self, what: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{what}\n  The layers run instead, with the same results.", UserWarning, stacklevel=5
            )

    def _beside(self, plan: Plan, x: Any, y: Any) -> Any:
        """Make a step with the plan, put everything back, make it with the layers, and compare."""
        before = _State(self)
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            try:
                value = self._run(plan, x, y)
            except Exception as error:
                value = error
        after = _State(self)
        before.restore()
        theirs = self._layered(x, y)
        if not _same_bits(value, theirs) or not after.equals(_State(self)):
            self._plans = {key: None if p is plan else p for key, p in self._plans.items()}
            self._plan = None
            said = f": {value}" if isinstance(value, Exception) else ""
            self._warn(f"the compiled step does not have the bits of the layers{said}")
        plan.verified += 1
        return theirs

    # with the layers

    def _layered_gradients(self, x: Any, y: Any) -> Any:
        loss: Any = self.loss
        value = loss(self.model(x), y)
        self.model.backward(loss.backward())
        return value

    def _layered(self, x: Any, y: Any) -> Any:
        value = self._layered_gradients(x, y)
        self.optimizer.step()  # type: ignore[union-attr]
        return value

    def _forward_alone(self, x: Any) -> Any:
        plan = self._plan_for(x, None)
        if plan is None or not plan.holds():
            return self.model(x)
        if plan.verified < VERIFIED:
            before = _State(self)
            value = self._computed(plan, x, None)
            after = _State(self)
            before.restore()
            theirs = self.model(x)
            if value is not FAILED and not (_same_bits(value, theirs) and after.equals(_State(self))):
                self._plans = {key: None if p is plan else p for key, p in self._plans.items()}
                self._warn("the compiled prediction does not have the bits of the layers")
            plan.verified += 1
            return theirs
        value = self._computed(plan, x, None)
        return self.model(x) if value is FAILED else value.copy()

    def __repr__(self) -> str:
        return f"CompiledStep({self.model!r}, {self.loss!r}, {self.optimizer!r})"


class _OneThread:
    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def __enter__(self) -> None:
        if not self.lock.acquire(blocking=False):
            raise RuntimeError(ONE_THREAD)

    def __exit__(self, *_: object) -> None:
        self.lock.release()


class _State:
    """All that a step changes: parameters, gradients, optimizer's states, what layers hold."""

    def __init__(self, step: CompiledStep) -> None:
        self.step = step
        self.parameters = [
            (p, p.data.copy(), p.grad.copy(), (p.has_grad, p._begun, p.is_mixed))
            for p in step.model.parameters()
        ]
        optimizer: Any = step.optimizer
        groups = optimizer._groups if optimizer is not None else []
        self.groups = [
            (g.buffers, list(g.buffers.steps), {k: a.copy() for k, a in g.buffers.states.items()})
            for g in groups
        ]
        self.attributes = [
            (layer, {k: _copied(v) for k, v in vars(layer).items() if _is_state(v)})
            for layer in step.model.modules()
        ]
        self.held: list[tuple[Held, Any]] = []
        for plan in step._plans.values():
            self.held += [(held, _copied(held.now())) for held in plan.held] if plan is not None else []
        self.made = STEPS_MADE[0]

    def restore(self) -> None:
        STEPS_MADE[0] = self.made
        for p, data, grad, (has_grad, begun, is_mixed) in self.parameters:
            p.data[...] = data
            p.grad[...] = grad
            p.has_grad, p._begun, p.is_mixed = has_grad, begun, is_mixed
        for buffers, steps, states in self.groups:
            buffers.steps = steps
            for key, array in states.items():
                buffers.states[key][...] = array
        for layer, attributes in self.attributes:
            for key, value in attributes.items():
                _put_back(vars(layer), key, value)
        for held, value in self.held:
            _put_back(held.holder, held.key, value)

    def equals(self, other: _State) -> bool:
        mine, theirs = self._bits(), other._bits()
        return mine == theirs

    def _bits(self) -> list[Any]:
        found: list[Any] = [_bits(array) for _, data, grad, _ in self.parameters for array in (data, grad)]
        found += [(steps, {k: _bits(a) for k, a in states.items()}) for _, steps, states in self.groups]
        found += [{k: _bits(v) for k, v in attributes.items()} for _, attributes in self.attributes]
        return found + [_bits(value) for _, value in self.held]


def _is_state(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.random.Generator)


def _put_back(holder: Any, key: Any, value: Any) -> None:
    now = holder[key]
    if isinstance(value, np.random.Generator):
        now.bit_generator.state = value.bit_generator.state
    elif isinstance(now, np.ndarray) and now.shape == value.shape and now.dtype == value.dtype:
        now[...] = value
    else:
        holder[key] = value


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value)
    return value


def _bits(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    return (value.shape, value.dtype, value.tobytes()) if isinstance(value, np.ndarray) else value


def _same_bits(a: Any, b: Any) -> bool:
    return type(a) is type(b) and np.asarray(a).tobytes() == np.asarray(b).tobytes()


def _option(options: dict[str, Any], key: Any) -> Any:
    return options[key[0]][key[1]] if isinstance(key, tuple) else options[key]


def _is_number(value: Any) -> bool:
    parts = value if isinstance(value, tuple) else (value,)
    return all(isinstance(part, int | float) and not isinstance(part, bool) for part in parts)


COMPARED = int | float | str | bytes | bool | tuple | np.dtype | type | None


def _can_be_compared(read: Read) -> bool:
    return not isinstance(read.owner, Optimizer) and not _is_state(read.value)


def _is_as_read(read: Read) -> bool:
    """Whether an attribute, or an element of a list or dict, is what it was when the step was derived."""
    owner, key, value = read
    missing = FAILED
    if isinstance(owner, list | dict):
        try:
            now = owner[key]
        except (KeyError, IndexError):
            return False
    else:
        now = getattr(owner, key, missing)
    if isinstance(value, MethodType):
        return isinstance(now, MethodType) and now.__func__ is value.__func__
    if isinstance(value, Layer | Loss | Parameter):
        return now is value
    if isinstance(value, list | dict):
        return type(now) is type(value) and len(now) == len(value) and _same_elements(now, value)
    if isinstance(value, COMPARED):
        return type(now) is type(value) and bool(now == value)
    return now is value or type(now) is type(value)


def _same_elements(now: Any, value: Any) -> bool:
    pairs = (
        zip(now, value, strict=True) if isinstance(now, list) else ((now.get(k), v) for k, v in value.items())
    )
    return all(
        a is b or _is_state(b) or (isinstance(b, COMPARED) and type(a) is type(b) and a == b) for a, b in pairs
    )


def _names(derived: Derivation) -> dict[str, str]:
    """A name for each variable in the text: that of its role, or of its source."""
    taken = {*keyword.kwlist, *vars(builtins), "np", "copyto", "TRUE", "FAILED", *derived.called}
    names: dict[str, str] = {}
    for variable in derived.variables.values():
        wanted = re.sub(r"\W", "_", variable.name or variable.hint) or "value"
        chosen = wanted
        for number in count(2):
            if chosen not in taken and chosen.isidentifier():
                break
            chosen = f"{wanted}{number}"
        taken.add(chosen)
        names[variable.key] = chosen
    names["$loss"] = "loss"
    return names
