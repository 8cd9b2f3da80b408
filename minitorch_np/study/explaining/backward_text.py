"""The backward pass in words: each gradient's formula, why it is the only one that fits, and its check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.layers.activation import Activation
from minitorch_np.study.explaining import docstrings, examples, products
from minitorch_np.study.explaining.axes import axes_text
from minitorch_np.study.explaining.formulas import (
    backward_formulas,
    equation_text,
    loss_formulas,
    loss_renamed,
    order_of,
    split_formula,
)
from minitorch_np.study.explaining.page import Page, listed

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.study.explaining.axes import Named
    from minitorch_np.study.explaining.chain import Chain, Step
    from minitorch_np.study.explaining.docstrings import Equation
    from minitorch_np.study.explaining.products import Order


def write(page: Page, chain: Chain, numbers: bool) -> None:
    last = [step.arrays[f"d{symbol}"].name for step in chain.steps[:1] for symbol in step.parameters[:1]]
    page.gap()
    start = chain.dy.name if chain.loss is None else "the loss"
    page.prose(f"BACKWARD, from {start} to {last[0] if last else f'grad_{chain.x.name}'}", 0)
    page.prose(
        "grad_a is the gradient of the loss with respect to a: one number for each number of a, in a's shape. "
        "These shapes, and what each layer kept, decide the formulas.",
        0,
    )
    page.gap()
    if chain.loss is None:
        page.prose(f"Without a loss {chain.dy} is random, standard normal.")
    else:
        page.title("", chain.loss)
        _, gradient = loss_formulas(chain, chain.loss)
        reason = loss_renamed(chain, chain.loss, docstrings.paragraph(type(chain.loss), "Backward"))
        page.line(gradient or chain.dy.name, axes_text(chain.dy.axes))
        reason = reason.removeprefix(f"{gradient}.").strip()
        page.prose(reason or ("" if gradient else "How, its docstring does not say."), 6)
    if numbers:
        page.array(chain.dy)
    steps = _Steps(page, chain, numbers)
    for step in reversed(chain.steps):
        steps.write(step)
    if steps.multiply_adds:
        page.gap()
        page.prose(f"{steps.multiply_adds:,} multiply-adds in the products of the backward pass.", 0)


class _Steps:
    """Writes them to a page. The reasons of a kind of layer are given once, at its first gradient."""

    def __init__(self, page: Page, chain: Chain, numbers: bool) -> None:
        self.page, self.chain, self.numbers = page, chain, numbers
        self.multiply_adds = 0
        self.reasons: dict[tuple[type, str], str] = {}  # of class and symbol, where they were given

    def write(self, step: Step) -> None:
        self._title(step)
        if isinstance(step.layer, Activation):
            self._activation(step, step.layer)
            return
        text = backward_formulas(step.layer)
        known = {symbol for symbol in {*step.arrays, "dx"} if symbol not in ("x", "y", "dy")}
        found = [e for e in docstrings.equations(text, {*step.arrays, "dx"}) if e.target in known]
        for equation in found:
            if equation.target not in step.arrays:
                needless = f"grad_{step.arrays['x'].name}"
                self.page.prose(
                    f"{equation_text(step, equation)} is left out: nobody needs {needless} to train"
                )
            elif equation.right:
                self._product(step, equation)
            else:
                self._sum(step, equation)
        said = {equation.target for equation in found}
        if text and not found:
            self.page.prose(step.renamed(text))
            said = set(step.arrays)
            self._numbers(step, step.gradients())
        unsaid = [name for name in step.gradients() if name not in said]
        if unsaid:
            gradients = listed([str(step.arrays[name]) for name in unsaid])
            self.page.prose(f"How it makes {gradients}, no paragraph Backward of its docstring says.")
            self._numbers(step, unsaid)

    def _title(self, step: Step) -> None:
        self.page.gap()
        self.page.title(step.path, step.layer)
        made = listed([str(step.arrays[name]) for name in step.gradients()])
        self.page.prose(f"from {step.arrays['dy']} to {made or 'no gradient that anybody needs'}")

    def _activation(self, step: Step, layer: Activation) -> None:
        self.page.line(split_formula(step)[1])
        self.page.prose(step.renamed(backward_formulas(layer)))
        self._numbers(step, step.gradients())
        if self.numbers and "dx" in step.arrays:
            x, y, dy, dx = (step.arrays[name] for name in ("x", "y", "dy", "dx"))
            slope = np.broadcast_to(layer.derivative(x.value, y.value), x.value.shape)
            for line in examples.slope_elements(dy, slope, dx):
                self.page.prose(line, 6, 4)

    def _numbers(self, step: Step, names: list[str]) -> None:
        for name in names if self.numbers else ():
            self.page.array(step.arrays[name])

    def _product(self, step: Step, equation: Equation) -> None:
        target = step.arrays[equation.target].rows()
        order = order_of(step, equation)
        self.page.line(f"{target.name} = {order}", order.shapes())
        if step.arrays["x"].value.ndim != 2:
            together = f"{step.arrays['x']} as rows {axes_text(step.arrays['x'].rows().axes)}"
            self.page.prose(f"The axes before the last are taken together: {together}.", 6)
        if order.fits and order.axes == target.axes:
            self._reason(step, equation, order, target)
        self._check(order.left.value @ order.right.value, target)
        if self.numbers:
            self.page.array(target)
            self.page.prose(examples.product_element(order, target), 6, 4)

    def _reason(self, step: Step, equation: Equation, order: Order, target: Named) -> None:
        key = (type(step.layer), equation.target)
        if key in self.reasons:
            self.page.prose(f"As {self.reasons[key]}: {order.inner} vanishes, {vanishing(order, step)}.", 6)
        else:
            self.reasons[key] = target.name
            self.page.prose(step.renamed(equation.sentence), 6)
            self.page.prose(f"By the shapes, {target} has to come out:", 6)
            self.page.table(((str(o), o.shapes(), why) for o, why in products.choices(order, target)), 9)
            self.page.prose(f"The axis that vanishes is {order.inner}: {vanishing(order, step)}.", 6)
        chance = products.by_chance(order, target, self.chain.sizes)
        if chance:
            self.page.prose(
                f"By the numbers alone {products.some(chance)} would fit too, since "
                f"{products.equal_sizes(order, self.chain.sizes)}: what the axes mean decides.",
                6,
            )
        count = products.size(order.cost(), self.chain.sizes)
        self.multiply_adds += count
        self.page.prose(f"{order.cost()} = {count:,} multiply-adds", 6)

    def _sum(self, step: Step, equation: Equation) -> None:
        target, summed = step.arrays[equation.target], step.arrays[equation.left].rows()
        gone = summed.axes[0]
        self.page.line(equation_text(step, equation), f"{axes_text(summed.axes)} -> {axes_text(target.axes)}")
        key = (type(step.layer), equation.target)
        if key in self.reasons:
            self.page.prose(f"As {self.reasons[key]}.", 6)
        else:
            self.reasons[key] = target.name
            self.page.prose(step.renamed(equation.sentence), 6)
            name = target.name.removeprefix("grad_")
            self.page.prose(
                f"Forward {name} was broadcast over {gone}, an axis that it does not have; so backward sums "
                f"over {gone}.",
                6,
            )
        self._check(summed.value.sum(axis=0), target)
        if self.numbers:
            self.page.array(target)
            self.page.prose(examples.sum_element(summed, target), 6, 4)

    def _check(self, computed: Array, target: Named) -> None:
        if computed.shape != target.value.shape or not examples.agrees(computed, target.value):
            self.page.prose(
                f"BUT backward computed something else for {target.name} than this formula of the docstring "
                "gives: gradcheck says which is right",
                6,
            )


def vanishing(order: Order, step: Step) -> str:
    """What the sum is over, of which a product's inner axis is the sign."""
    x, y = step.arrays["x"].rows(), step.arrays["y"].rows()
    if order.inner == x.axes[0] == y.axes[0]:
        learned = step.arrays[step.parameters[0]].name if step.parameters else "numbers"
        return f"the sum over all {order.inner} samples, since they all use the same {learned}"
    if order.inner == y.axes[-1]:
        return f"the sum over the outputs, since every one of {x.name} goes into all {order.inner} of them"
    return "the sum of the product"
