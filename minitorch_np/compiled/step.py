"""A compiled training step, and what it is held to: the bits of the layers, or else the layers themselves."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from minitorch_np._internal.watching import WATCHED
from minitorch_np.compiled.plan import Plan
from minitorch_np.compiled.planning import FAILED
from minitorch_np.compiled.rollback import Rollback
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer

OFTEN = 100  # steps of another shape than the first, after which it gets a plan of its own

MOST = 20  # plans that are made for one shape, of a network that keeps changing

ONE_THREAD = "a compiled step is used by one thread at a time: make one for each thread"


class CompiledStep:
    """A training step, `value = step(x, y)`: forward, loss, backward and the optimizer's update.

    It has the bits of the layers. For each shape of x and y that comes often their source is gone through once,
    and what remains of it, one NumPy call after the other on arrays that are there, becomes a function, whose
    text `source` shows. That takes as long as some hundred steps of a small network, and a fifth of it for
    another network of the same structure. The function works on the parameters, gradients and states
    themselves, so that compiled and layered steps, saving, clipping and schedules mix in any order.

    `gradients(x, y)` and `update()` are its two halves, for clipping in between; two `gradients` before an
    `update` add up. `prediction` is what the model made of the last x. Without loss and optimizer, `step(x)` is
    the prediction alone.

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
        self._model, self._loss, self._optimizer = model, loss, optimizer
        self._plans: dict[Any, Plan | None] = {}
        self._met: dict[Any, int] = {}  # how often arrays of a shape came that has no plan
        self._made: dict[Any, int] = {}  # how often a plan was made again, by shape
        self._lock = Lock()
        self._plan: Plan | None = None  # of the last step
        self._has_warned = False
        self._prediction: Any = None

    def __call__(self, x: Any, y: Any = None, *, check: Callable[[Any], None] | None = None) -> Any:
        """Make a step; return the loss, or without a loss the prediction.

        `check(loss)` is called before the update; what it raises leaves the parameters as they are.
        """
        if not self._lock.acquire(False):
            raise RuntimeError(ONE_THREAD)
        try:
            if self._loss is None:
                return self._forward_alone(x)
            plan = self._plan
            if plan is not None and plan.unchanged is not None and (step := plan.unchanged(x, y)):
                return self._run(plan, x, y, check, step)
            plan = self._plan_for(x, y)
            if plan is None or not plan.is_free():
                return self._layered(x, y, check)
            if not plan.is_trusted or (plan.updates and not plan.rule.is_trusted):
                value = self._gradients(plan, x, y)
                if check is not None:
                    check(value)
                self._update()
                return value
            return self._run(plan, x, y, check)
        finally:
            self._lock.release()

    def gradients(self, x: Any, y: Any) -> Any:
        """Add the gradients of the loss to the parameters' own; return the loss."""
        with self._alone("gradients"):
            plan = self._plan_for(x, y)
            if plan is None or not plan.is_free():
                return self._layered_gradients(x, y)
            return self._gradients(plan, x, y)

    def update(self) -> None:
        """Make the optimizer's step."""
        optimizer: Any = self._optimizer
        with self._alone("update"):
            optimizer.ready()
            self._update()

    @property
    def model(self) -> Layer:
        return self._model

    @property
    def loss(self) -> Loss | None:
        return self._loss

    @property
    def optimizer(self) -> Optimizer | None:
        return self._optimizer

    @property
    def prediction(self) -> Any:
        """What the model made of the x of the last step, a copy; None before the first one."""
        return None if self._prediction is None else self._prediction.copy()

    @property
    def source(self) -> str:
        """The text of the functions that the last step ran, or was compiled for."""
        plan = self._plan or next((plan for plan in reversed(self._plans.values()) if plan), None)
        if plan is None:
            raise RuntimeError("nothing is compiled yet, or it could not be: make a step first")
        return "\n\n\n".join(plan.texts) + "\n"

    # with the plan

    def _gradients(self, plan: Plan, x: Any, y: Any) -> Any:
        if not plan.is_trusted:
            return self._beside(plan, x, y, Plan.hand_over, self._layered_gradients)
        value = self._computed(plan, x, y)
        if value is FAILED:
            return self._layered_gradients(x, y)
        self._prediction = plan.prediction
        plan.hand_over()
        return value

    def _update(self) -> None:
        optimizer: Any = self._optimizer
        plan = self._plan
        if plan is not None and plan.is_trusted and plan.fits() and plan.is_complete():
            step = plan.next_step()
            if step is not None and not plan.rule.is_trusted:
                self._update_beside(plan, step)
                return
            if step is not None and plan.do_update(step):
                plan.consume()
                return
        optimizer.step()

    def _update_beside(self, plan: Plan, step: int) -> None:
        """Make the update with the plan, put everything back, let the optimizer make it, and compare."""
        optimizer: Any = self._optimizer
        before = self._rollback()
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            try:
                is_done = plan.do_update(step)
            except Exception:
                is_done = True  # what the optimizer's step does is another matter
        after = self._rollback()
        before.restore()
        optimizer.step()
        if is_done and not after.equals(self._rollback(live=True)):
            plan.updates = False
            self._warn("the compiled update does not have the bits of the optimizer's step")
        elif is_done:
            plan.rule.has_same_bits()

    def _run(
        self, plan: Plan, x: Any, y: Any, check: Callable[[Any], None] | None, step: int | None = None
    ) -> Any:
        """Make a step with the plan, whose number may be known."""
        value = self._computed(plan, x, y)
        if value is FAILED:
            return self._layered(x, y, check)
        self._prediction = plan.prediction
        if check is not None:
            check(value)
        if step is None:
            plan.add_frozen()
            step = plan.next_step()
        if step is None or not plan.do_update(step):
            plan.mark()
            optimizer: Any = self._optimizer
            optimizer.step()
        return value

    def _computed(self, plan: Plan, x: Any, y: Any, tells: bool = False) -> Any:
        """The gradients, and the loss; FAILED, with nothing changed, if a decision would be another one.

        It is FAILED too where an error ends it, unless it `tells`.
        """
        held = plan.held_now() if plan.held else ()
        if held is None:
            return FAILED
        before = [_state(thing) for thing in held] if plan.is_fragile else ()
        try:
            value = plan.gradients(x, *held) if self._loss is None else plan.gradients(x, y, *held)
        except Exception:  # the layers say what is wrong
            if tells:
                raise
            value = FAILED
        if value is FAILED and before:
            for thing, state in zip(held, before, strict=False):
                if isinstance(thing, np.random.Generator):
                    thing.bit_generator.state = state
                else:
                    thing[...] = state
        return value

    def _alone(self, half: str) -> _OneThread:
        if self._loss is None:
            raise RuntimeError(f"{half} needs a loss and an optimizer: mt.compile(model, loss, optimizer)")
        return _OneThread(self._lock)

    def _plan_for(self, x: Any, y: Any) -> Plan | None:
        """The plan for arrays like these; None where the layers run."""
        if WATCHED:
            return None
        if type(x) is not np.ndarray or (type(y) is not np.ndarray and self._loss is not None):
            return None
        if not (x.flags.c_contiguous and (y is None or y.flags.c_contiguous)):
            return None
        if self._optimizer is not None:
            self._optimizer.ready()  # takes changed options, and has the states that they need
        last = self._plan
        if last is not None and last.is_for(x, y, self._model.training) and last.fits():
            return last
        key = x.shape, x.dtype, None if y is None else (y.shape, y.dtype), self._model.training
        plan = self._plans.get(key)
        if plan is None and key not in self._plans:
            self._met[key] = self._met.get(key, 0) + 1
            if self._plans and self._met[key] < OFTEN:
                return None  # such as the last batch of an epoch: compiling takes as long as many steps
            plan = self._compiled(key, x, y)
        elif plan is not None and not plan.fits():
            self._made[key] += 1
            if self._made[key] == MOST:
                self._warn(
                    f"what this step depends on has changed {MOST} times, and each time it was compiled again"
                )
            plan = self._compiled(key, x, y) if self._made[key] < MOST else None
        self._plan = plan or self._plan
        return plan

    def _compiled(self, key: Any, x: Any, y: Any) -> Plan | None:
        """A new plan, kept; None if there can be none, or if it is these data that the layers do not take."""
        takes = self._model.index_count is not None or x.dtype == (self._model.dtype or x.dtype)
        if not takes or x.ndim == 0 or len(x) == 0:
            return None
        self._made.setdefault(key, 0)
        drawn = random.getstate(), np.random.get_state()  # noqa: NPY002, from which a layer may draw
        try:
            plan = self._plans[key] = Plan(self._model, self._loss, self._optimizer, x, y)
        except Exception as error:
            if self._is_refused(x, y):
                return None
            self._plans[key] = None
            self._warn(f"this step cannot be compiled: {str(error) or type(error).__name__}")
        else:
            if why := plan.rule.left:
                self._warn(f"the update of this step cannot be compiled: {why}", "The optimizer's step() runs")
        finally:
            random.setstate(drawn[0])
            np.random.set_state(drawn[1])  # noqa: NPY002
        return self._plans[key]

    def _is_refused(self, x: Any, y: Any) -> bool:
        """Whether copies of the layers refuse these data too."""
        model, loss = copy.deepcopy((self._model, self._loss))
        try:
            with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
                y_pred = model(x)
                if loss is not None:
                    loss(y_pred, y)
                    model.backward(loss.backward())
        except Exception:
            return True
        return False

    def _warn(self, what: str, instead: str = "The layers run") -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{what}\n  {instead} instead, with the same results.", UserWarning, stacklevel=5)

    def _drop(self, plan: Plan) -> None:
        """Let the layers run for these shapes from now on."""
        self._plans = {key: None if each is plan else each for key, each in self._plans.items()}
        self._plan = None

    def _rollback(self, live: bool = False) -> Rollback:
        plans = [plan for plan in self._plans.values() if plan is not None]
        held = [held for plan in plans for held in (*plan.held, *plan.rule.held.values())]
        return Rollback(self._model, self._optimizer, held, live)

    def _beside(
        self, plan: Plan, x: Any, y: Any, finish: Callable[[Plan], None], layered: Callable[[Any, Any], Any]
    ) -> Any:
        """Do it with the plan, put everything back, do it with the layers, and compare."""
        before = self._rollback()
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            try:
                value = self._computed(plan, x, y, tells=True)
                if value is not FAILED:
                    finish(plan)
            except Exception as error:
                value = error
        after = self._rollback()
        before.restore()
        theirs = layered(x, y)
        self._model.clear_saved()  # as after a step without the layers
        if value is FAILED:
            plan.refused += 1
            if plan.refused == MOST:
                self._drop(plan)
                self._warn(f"what this step depends on was another one {MOST} times")
        elif not _same_bits(value, theirs) or not after.equals(self._rollback(live=True)):
            self._drop(plan)
            said = f": {value}" if isinstance(value, Exception) else ""
            self._warn(f"the compiled step does not have the bits of the layers{said}")
        else:
            plan.has_same_bits()
        return theirs

    # with the layers

    def _predicted(self, x: Any, _: Any) -> Any:
        return self._model(x)

    def _layered_gradients(self, x: Any, y: Any) -> Any:
        loss: Any = self._loss
        self._prediction = y_pred = self._model(x)
        value = loss(y_pred, y)
        self._model.backward(loss.backward())
        return value

    def _layered(self, x: Any, y: Any, check: Callable[[Any], None] | None) -> Any:
        value = self._layered_gradients(x, y)
        if check is not None:
            check(value)
        optimizer: Any = self._optimizer
        optimizer.step()
        return value

    def _forward_alone(self, x: Any) -> Any:
        plan = self._plan_for(x, None)
        if plan is None:
            return self._model(x)
        if not plan.is_trusted:
            return self._beside(plan, x, None, lambda plan: None, self._predicted)
        value = self._computed(plan, x, None)
        return self._model(x) if value is FAILED else value.copy()

    def __reduce__(self) -> Any:  # a copy is compiled anew
        return CompiledStep, (self._model, self._loss, self._optimizer)

    def __repr__(self) -> str:
        return f"CompiledStep({self._model!r}, {self._loss!r}, {self._optimizer!r})"


class _OneThread:
    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def __enter__(self) -> None:
        if not self.lock.acquire(blocking=False):
            raise RuntimeError(ONE_THREAD)

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def _state(thing: Any) -> Any:
    """Of an array its numbers, of a generator its state."""
    return thing.bit_generator.state if isinstance(thing, np.random.Generator) else thing.copy()


def _same_bits(a: Any, b: Any) -> bool:
    return type(a) is type(b) and np.asarray(a).tobytes() == np.asarray(b).tobytes()
