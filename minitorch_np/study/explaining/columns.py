"""The columns of the picture of a network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.layers.activation import Activation
from minitorch_np.study.explaining import docstrings
from minitorch_np.study.explaining.axes import axes_text
from minitorch_np.study.explaining.boxes import Box, Column
from minitorch_np.study.explaining.formulas import backward_formulas, loss_formulas, order_of, split_formula

if TYPE_CHECKING:
    from minitorch_np.losses.loss import Loss
    from minitorch_np.study.explaining.axes import Named
    from minitorch_np.study.explaining.chain import Chain, Kept, Step

LONGEST = 34  # letters of a formula that still fits below a box


def columns(chain: Chain) -> list[Column]:
    """Arrays and layers in turn, from x to the loss, or without one to the prediction."""
    notes = [*map(_gradient_notes, chain.steps), {"dx": _start(chain)}]
    first = chain.steps[0].arrays.get("dx") if chain.steps else chain.dy
    found = [Column(forward=_box(chain.x), backward=first and _box(first, notes[0].get("dx", "")))]
    for step, here, after in zip(chain.steps, notes, notes[1:], strict=False):
        y, dy = step.arrays["y"], step.arrays["dy"]
        forward = _box(y, _note(y.name, split_formula(step)[0]))
        found += [_layer(step, here), Column(forward=forward, backward=_box(dy, after.get("dx", "")))]
    return [*found, *(_loss(chain, chain.loss) if chain.loss is not None else [])]


def _layer(step: Step, notes: dict[str, str]) -> Column:
    return Column(
        title=repr(step.layer).partition("(")[0],
        above=[_box(step.arrays[symbol]) for symbol in step.parameters],
        kept=_kept(step.kept),
        below=[_box(step.arrays[f"d{symbol}"], notes.get(f"d{symbol}", "")) for symbol in step.parameters],
        goes_back="dx" in step.arrays,
    )


def _loss(chain: Chain, loss: Loss) -> Iterator[Column]:
    above = [_box(chain.target)] if chain.target is not None else []
    yield Column(title=type(loss).__name__, above=above, learns=False, kept=_kept(chain.loss_kept))
    value = np.asarray(chain.value)
    said = f"= {value:.4g}" if not value.ndim else ""
    yield Column(forward=Box("loss", said, "", value.shape), backward=Box("grad_loss", "= 1", "", value.shape))


def _start(chain: Chain) -> str:
    """What stands below the gradient that the backward pass starts with."""
    if chain.loss is None:
        return "random, without a loss"
    return _note(chain.dy.name, loss_formulas(chain, chain.loss)[1])


def _gradient_notes(step: Step) -> dict[str, str]:
    """The formulas of a layer's gradients that are short enough for a picture."""
    text = backward_formulas(step.layer)
    if isinstance(step.layer, Activation):
        found = re.search(r"dx = ([^,.;]*)", text)
        return {"dx": f"= {step.renamed(found[1])}"} if found else {}
    notes = {}
    for equation in docstrings.equations(text, step.arrays):
        right = str(order_of(step, equation)) if equation.right else f"Σ_n {step.arrays[equation.left].name}[n]"
        notes[equation.target] = f"= {right}"
    return notes


def _note(name: str, formula: str) -> str:
    """`= x w1` of `h = x w1`, where it is short."""
    left, equals, right = formula.partition(" = ")
    return f"= {right}" if equals and left == name and len(right) <= LONGEST else ""


def _box(array: Named, note: str = "") -> Box:
    return Box(array.name, note, axes_text(array.axes), array.value.shape)


def _kept(kept: Sequence[Kept]) -> list[str]:
    names = list(dict.fromkeys(one.name for one in kept if one.name))
    unnamed = sum(not one.name for one in kept)
    if unnamed:
        names.append("an array" if unnamed == 1 else f"{unnamed} arrays")
    return ["keeps", *names] if names else []
