"""Unchanged: one expression that asks before a step whether all that decides is what it was at the last one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.watching import WATCHED
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import CHANGES, FORGOTTEN

if TYPE_CHECKING:
    from minitorch_np.compiled.plan import Plan
    from minitorch_np.layer import Layer


def unchanged(plan: Plan, model: Layer, optimizer: Any) -> Callable[[Any, Any], int] | None:
    """A function of x and y: the number of the step that they make, or 0 where that has to be looked into.

    It asks at once what the optimizer's `ready` and the plan's `is_for`, `fits`, `is_free` and `next_step` ask
    one after the other, in a third of the time; whatever these look at has to be asked here too. None if the
    optimizer makes itself ready in another way, and where there is more to do or to ask between the passes and
    the update: gradients of parameters that no optimizer has add up, a rule reads what nobody counts.
    """
    is_own = type(optimizer).ready is not Optimizer.ready or "ready" in vars(optimizer)
    if is_own or plan.frozen or plan.rule.contents is not None:
        return None
    scope: dict[str, Any] = {"plan": plan, "rule": plan.rule, "model": model, "optimizer": optimizer}
    scope |= {"array": np.ndarray, "CHANGES": CHANGES, "WATCHED": WATCHED, "FORGOTTEN": FORGOTTEN}
    tests = [
        "plan.is_trusted and plan.updates and rule.is_trusted and rule.is_same",
        "CHANGES[0] == plan.changes and not WATCHED and not FORGOTTEN and model.training is plan.training",
        "optimizer.param_groups == optimizer._checked_groups",
    ]
    for name, shape, dtype in zip("xy", plan.shapes, plan.dtypes, strict=True):
        scope |= {f"{name}_shape": shape, f"{name}_dtype": dtype}
        tests.append(f"type({name}) is array and {name}.shape == {name}_shape and {name}.dtype is {name}_dtype")
        tests.append(f"{name}.flags.c_contiguous")
    for i, parameter in enumerate(plan.targets):
        scope[f"parameter{i}"] = parameter
        tests.append(f"not parameter{i}.has_grad")
    steps = []
    for i, known in enumerate(plan.groups):
        scope |= {f"known{i}": known, f"group{i}": known.group, f"buffers{i}": known.buffers}
        tests.append(f"group{i}.options is known{i}.options and buffers{i}.states is known{i}.states")
        tests.append(f"known{i}.counts is {known.counts}")
        if known.counts:
            tests.append(f"buffers{i}.steps is known{i}.steps")
            steps.append(f"known{i}.steps[0]")
    tests += [f"{first} == {second}" for first, second in pairwise(steps)]
    if plan.contents is not None:
        tests.append("plan.contents.are_as_read()")
    step = f"{steps[0]} + 1" if steps else "1"
    made: Callable[[Any, Any], int] = eval(f"lambda x, y: {step} if {' and '.join(tests)} else 0", scope)
    return made
