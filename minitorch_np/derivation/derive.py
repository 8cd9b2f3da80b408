"""derive: the statements of a training step, from the source of the layers, the loss and the optimizer."""

from __future__ import annotations

import ast
import copy
import warnings
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.derivation.calls import Calls
from minitorch_np.derivation.evaluator import Evaluator
from minitorch_np.derivation.executor import Executor
from minitorch_np.derivation.helpers import Helpers
from minitorch_np.derivation.naming import Roles
from minitorch_np.derivation.objects import Objects
from minitorch_np.derivation.operations import Operations
from minitorch_np.derivation.passes import Passes
from minitorch_np.derivation.rule import UpdateRule, State
from minitorch_np.derivation.values import Expression, Variable
from minitorch_np.derivation.writer import Writer
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer


class Derivation(NamedTuple):
    """A training step as statements, before any of them is folded into another.

    `variables` are those in the statements, by key. A program needs from outside: the `data`, that is x, y and
    the parameters as they are before the step, by name; `constants`, the arrays and generators that layers
    hold; the `options` and `states` of the optimizer and the number of its `step`, which is `first_step` now.
    `functions` stand at its head.
    """

    model: Layer
    loss: Loss
    optimizer: Optimizer
    forward: list[ast.stmt]
    backward: list[ast.stmt]
    update: list[ast.stmt]
    variables: dict[str, Variable]
    functions: dict[str, ast.FunctionDef]
    data: dict[str, Any]
    constants: list[Variable]
    options: list[Variable]
    states: list[State]
    starts: dict[str, Any]  # what constants and states are before the step, by key
    step: Variable
    first_step: int
    gradients: list[str]  # the parameters' names, in the order in which their gradients are made
    roles: Roles


def derive(model: Layer, loss: Loss, optimizer: Optimizer, x: Any, y: Any) -> Derivation:
    """Go through a training step once, on real arrays: what varies from step to step is written down.

    Options, sizes and which layers there are decide branches and loops on the way. Whatever stays is
    arithmetic: statements of NumPy, each with the number that it came to. The objects are copied before.

    Raises ValueError that names layer, file and line for what cannot be written down: a loop or an index that
    depends on the numbers in the network, a call outside NumPy, a function without source.
    """
    model, loss, optimizer = copy.deepcopy((model, loss, optimizer))
    writer = Writer()
    ops = Operations(writer)
    objects = Objects(writer, ops)
    evaluator = Evaluator(writer, ops, objects)
    executor = Executor(writer, ops, objects, evaluator)
    calls = Calls(writer, ops, objects, evaluator, executor)
    passes = Passes(model, loss, writer, ops, objects, calls)
    helpers = Helpers(writer, ops, calls, passes.roles.taken)
    rule = UpdateRule(writer, ops, executor, calls, passes)
    ops.objects = objects
    objects.calls, objects.passes = calls, passes
    evaluator.executor, evaluator.calls = executor, calls
    executor.calls, executor.passes, executor.rule = calls, passes, rule
    calls.helpers, calls.passes = helpers, passes
    data = passes.begin(x, y)
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        forward, backward, update = passes.forward(), passes.backward(), rule.update(optimizer)
    constants: list[Expression] = [given for _, given in writer.constants.values()]
    return Derivation(
        model=model,
        loss=loss,
        optimizer=optimizer,
        forward=forward,
        backward=backward,
        update=update,
        variables=writer.variables,
        functions=helpers.functions,
        data=data,
        constants=[writer.variable(given) for given in constants],
        options=rule.options,
        states=rule.states,
        starts=writer.starts,
        step=rule.step,
        first_step=rule.first_step,
        gradients=passes.gradient_order(),
        roles=passes.roles,
    )
