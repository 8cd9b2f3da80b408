"""derive: the statements of a training step, from the source of the layers, the loss and the optimizer."""

from __future__ import annotations

import copy
import warnings
from functools import partial
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.derivation.calls import Calls
from minitorch_np.derivation.helpers import Helpers
from minitorch_np.derivation.interpreter import Interpreter
from minitorch_np.derivation.naming import Roles
from minitorch_np.derivation.objects import Objects, Read
from minitorch_np.derivation.operations import Operations
from minitorch_np.derivation.parts import connect
from minitorch_np.derivation.passes import Passes
from minitorch_np.derivation.rule import State, UpdateRule
from minitorch_np.derivation.statements import Block, Statement
from minitorch_np.derivation.values import Expression, Origin, Variable
from minitorch_np.derivation.writer import Writer
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer


class Derivation(NamedTuple):
    """A training step as statements, before any of them is folded into another.

    `variables` are those in the statements, by key. What a program needs from outside is `given`, each with
    its origin: x, y and the parameters, which are in `data` by name as they are before the step; `constants`,
    the arrays and generators that layers hold; `options` and `states` of the optimizer and the number of its
    `step`, as it is now. `functions` stand at its head; `called` are those that it calls as they are. `value`
    is the loss, `prediction` the output of the model.

    `gradients` are those of the parameters, by the names of these, in the order in which they are made.
    `reads` are what decided, on the objects themselves, and `rule_reads` what decided about the update alone;
    decisions that depend on the data are in the statements, as asserts, unless it is plain. `left` says why the
    update is left to the optimizer.
    """

    model: Layer
    loss: Loss | None
    optimizer: Optimizer | None
    forward: Block
    backward: Block
    update: Block
    variables: dict[str, Variable]
    functions: dict[str, Statement]
    called: dict[str, FunctionType]
    data: dict[str, Any]
    constants: list[Variable]
    options: list[Variable]
    states: list[State]
    starts: dict[str, Any]  # what constants and states are before the step, by key
    step: Variable | None
    gradients: dict[str, Variable]
    prediction: Variable
    value: Expression | None
    reads: list[Read]
    rule_reads: list[Read]
    left: str
    leftovers: list[str]  # attributes that were set and are neither carried to the next step nor saved arrays
    roles: Roles

    @property
    def given(self) -> list[tuple[Variable, Origin]]:
        """The variables that come from outside, each with its origin."""
        return [(v, v.origin) for v in self.variables.values() if v.origin is not None]


def derive(
    model: Layer,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    x: Any = None,
    y: Any = None,
    *,
    plain: bool = True,
) -> Derivation:
    """Go through a training step once, on real arrays: what varies from step to step is written down.

    Options, sizes and which layers there are decide branches and loops on the way. Whatever stays is
    arithmetic: statements of NumPy, each with the number that it came to. Copies are gone through; origins and
    reads are of the objects that were given. Without loss and optimizer it is the forward pass.

    Plain statements are for a reader: functions are written down, and an optimizer's rule is said of each
    parameter. Otherwise the loops in functions of the package are unrolled, other functions with loops are
    called as they are, the rule is said of the flat arrays of the optimizer, and each decision that depends on
    the data is written down as an assert.

    Raises ValueError that names layer, file and line for what cannot be written down: a loop or an index that
    depends on the numbers in the network, a call outside NumPy, a function without source.
    """
    given = model, loss, optimizer
    model, loss, optimizer = copy.deepcopy(given)
    original = partial(_original, _originals(given, (model, loss, optimizer)))
    writer, objects, helpers, rule = Writer(plain), Objects(), Helpers(), UpdateRule()
    passes = Passes(model, loss)
    connect(
        writer=writer,
        ops=Operations(),
        objects=objects,
        interpreter=Interpreter(),
        calls=Calls(),
        helpers=helpers,
        passes=passes,
        rule=rule,
    )
    data = passes.begin(x, y)
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        forward, backward = passes.forward(), passes.backward()
        of_passes = len(objects.reads)
        update, left = ([], "") if optimizer is None else rule.update_or_why(optimizer)
    for variable in writer.variables.values():
        if variable.origin is not None:
            variable.origin = variable.origin._replace(owner=original(variable.origin.owner))
    reads = [Read(original(owner), key, original(value)) for owner, key, value in objects.reads.values()]
    names = passes.roles.parameters
    return Derivation(
        model=model,
        loss=loss,
        optimizer=optimizer,
        forward=forward,
        backward=backward,
        update=update,
        variables=writer.variables,
        functions=helpers.functions,
        called=helpers.called,
        data=data,
        constants=[writer.variable(constant) for _, constant in writer.constants.values()],
        options=rule.options,
        states=rule.states,
        starts=writer.starts,
        step=rule.step,
        gradients={names[key]: writer.variable(gradient) for key, gradient in passes.gradients.items()},
        prediction=writer.variable(passes.prediction),
        value=passes.value,
        reads=reads[:of_passes],
        rule_reads=[] if left else reads[of_passes:],
        left=left,
        leftovers=objects.leftovers(),
        roles=passes.roles,
    )


def _original(originals: dict[int, Any], value: Any) -> Any:
    """A value of the copies as one of the objects that were copied."""
    if type(value) is Expression:  # for an array that is there from the start
        return value.value
    if isinstance(value, MethodType):
        return MethodType(value.__func__, _original(originals, value.__self__))
    return originals.get(id(value), value)


def _originals(given: Any, copies: Any) -> dict[int, Any]:
    """The object that each copy was made of, by the copy's id: of all in attributes, lists and dicts."""
    found: dict[int, Any] = {}
    pending = list(zip(given, copies, strict=True))
    while pending:
        original, made = pending.pop()
        if original is made or id(made) in found or type(original) is not type(made):
            continue
        if isinstance(original, int | float | complex | str | bytes | np.generic):
            continue  # one object may stand for several of these
        if isinstance(original, list | tuple):
            pending += list(zip(original, made, strict=False))  # an optimizer may start anew
        elif isinstance(original, dict):
            pending += [(original[key], made[key]) for key in original if key in made]
        elif isinstance(original, MethodType):
            pending.append((original.__self__, made.__self__))
        elif hasattr(original, "__dict__"):
            pending += [(vars(original)[key], vars(made)[key]) for key in vars(original) if key in vars(made)]
        found[id(made)] = original
    return found
