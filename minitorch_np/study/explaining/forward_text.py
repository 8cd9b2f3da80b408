"""The forward pass in words: each layer's formula, what it learns and keeps, and what it costs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from minitorch_np.study.explaining import docstrings
from minitorch_np.study.explaining.axes import axes_text
from minitorch_np.study.explaining.formulas import loss_formulas, order_of, split_formula
from minitorch_np.study.table import bytes_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minitorch_np.losses.loss import Loss
    from minitorch_np.study.explaining.chain import Chain, Kept, Step
    from minitorch_np.study.explaining.page import Page


def write(page: Page, chain: Chain, numbers: bool) -> None:
    page.gap()
    end = chain.prediction.name if chain.loss is None else "the loss"
    page.prose(f"FORWARD, from {chain.x} to {end}", 0)
    if numbers:
        page.array(chain.x)
    for step in chain.steps:
        page.gap()
        page.title(step.path, step.layer)
        write_step(page, step)
        if numbers:
            page.array(step.arrays["y"])
    if chain.loss is not None:
        page.gap()
        page.title("", chain.loss)
        write_loss(page, chain, chain.loss)
    page.gap()
    counts = [s.layer.multiply_adds(s.arrays["x"].value.shape, s.arrays["y"].value.shape) for s in chain.steps]
    rest = ", without those of layers that do not say" * (None in counts)
    page.prose(f"{sum(count or 0 for count in counts):,} multiply-adds forward{rest}.", 0)
    page.prose(f"{bytes_text(chain.kept_bytes)} kept for the backward pass, each array counted once.", 0)


def write_step(page: Page, step: Step) -> None:
    x, y = step.arrays["x"], step.arrays["y"]
    known = docstrings.equations(docstrings.first_line(type(step.layer)), step.arrays)
    orders = [order_of(step, equation) for equation in known if equation.target == "y" and equation.right]
    formula, _ = split_formula(step)
    shapes = f"{axes_text(x.axes)} -> {axes_text(y.axes)}"
    page.line(
        formula or f"{y.name} of {x.name}; how, no docstring says", orders[0].shapes() if orders else shapes
    )
    for symbol in step.parameters:
        array, count = step.arrays[symbol], step.arrays[symbol].value.size
        many = f"{count:,} number{'s' * (count != 1)}"
        page.item("learns", f"{array}: {many}, {bytes_text(array.value.nbytes)}")
    page.item("keeps", kept_text(step.kept))
    cost = step.layer.multiply_adds(x.value.shape, y.value.shape)
    if cost:
        page.item("multiply-adds", f"{f'{orders[0].cost()} = ' if orders else ''}{cost:,}")
    elif cost is None:
        page.item("multiply-adds", "not said: a method multiply_adds(x_shape, y_shape) would")


def write_loss(page: Page, chain: Chain, loss: Loss) -> None:
    formula, _ = loss_formulas(chain, loss)
    given = ", ".join(axes_text(array.axes) for array in (chain.prediction, chain.target) if array)
    page.line(formula or "loss: how, no docstring says", f"{given} -> ()")
    if loss.reduction == "none":
        page.item("'none'", "all values as they are; backward starts as if they were added up")
    else:
        divided = "" if chain.divisor is None else f" and divided by {chain.divisor:g}, the gradient too"
        page.item(repr(loss.reduction), f"added up{divided}: {float(chain.value):.6g}")
    parameter = inspect.signature(type(loss)).parameters.get("reduction")
    if parameter is not None and parameter.default != loss.reduction:
        page.item("", f"(the formulas are those of the docstring, for {parameter.default!r})")
    page.item("keeps", kept_text(chain.loss_kept))


def kept_text(kept: Sequence[Kept]) -> str:
    parts = []
    for one in kept:
        name = one.name or f"an array {one.shape}"
        parts.append(f"{name} ({'counted above' if one.again else bytes_text(one.nbytes)})")
    return ", ".join(parts) or "nothing"
