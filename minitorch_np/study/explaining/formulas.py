"""The formulas of layers and losses, from their docstrings, in the names of a network."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from minitorch_np.layers.activation import Activation
from minitorch_np.study.explaining import docstrings
from minitorch_np.study.explaining.products import Order

if TYPE_CHECKING:
    from minitorch_np.losses.loss import Loss
    from minitorch_np.study.explaining.chain import Chain, Step
    from minitorch_np.study.explaining.docstrings import Equation


def backward_formulas(layer: object) -> str:
    """The paragraph Backward of a layer; an activation has its base class's, as it has its backward."""
    text = docstrings.paragraph(type(layer), "Backward")
    if not text and getattr(type(layer), "backward", None) is Activation.backward:
        text = docstrings.paragraph(Activation, "Backward")
    return text


def split_formula(step: Step) -> tuple[str, str]:
    """`y = f(x), dy/dx = f′(x).` as y = f(x) and dy/dx = f′(x), in the network's names."""
    line = docstrings.first_line(type(step.layer)).removesuffix(".")
    forward, _, slope = re.sub(r"[,;] (?=dy/dx =)", "\n", line, count=1).partition("\n")
    return step.renamed(forward), step.renamed(slope)


def order_of(step: Step, equation: Equation) -> Order:
    left, right = step.arrays[equation.left].rows(), step.arrays[equation.right].rows()
    return Order(left.T if equation.left_transposed else left, right.T if equation.right_transposed else right)


def equation_text(step: Step, equation: Equation) -> str:
    target = step.arrays.get(equation.target) or step.arrays["x"]
    name = target.name if equation.target in step.arrays else f"grad_{target.name}"
    if equation.right:
        return f"{name} = {order_of(step, equation)}"
    return f"{name} = Σ_n {step.arrays[equation.left].name}[n]"


def loss_formulas(chain: Chain, loss: Loss) -> tuple[str, str]:
    """`value = f(prediction, target), gradient = g` as loss = f and grad_y_pred = g.

    The second may also begin the paragraph Backward.
    """
    line = docstrings.first_line(type(loss)).removesuffix(".")
    forward, _, gradient = re.sub(r"[,;] (?=gradient =)", "\n", line, count=1).partition("\n")
    if not gradient and (
        found := re.match(r"gradient = [^.,;]*", docstrings.paragraph(type(loss), "Backward"))
    ):
        gradient = found[0]
    return loss_renamed(chain, loss, forward), loss_renamed(chain, loss, gradient)


def loss_renamed(chain: Chain, loss: Loss, text: str) -> str:
    """A text of a loss's docstring; where it says `logits x` or `targets t`, x and t are renamed as well."""
    words = {
        "prediction": chain.prediction.name,
        "target": "y",
        "value =": "loss =",
        "gradient =": f"{chain.dy.name} =",
    }
    said = docstrings.first_line(type(loss)), inspect.cleandoc(type(loss).__doc__ or "")
    symbols = {}
    if found := re.search(r"(?:logits|probabilities) (\w)\b", said[0]):
        symbols[found[1]] = chain.prediction.name
    if found := re.search(r"[Tt]argets (\w)\b", said[1]):
        symbols[found[1]] = "y"
    text = re.sub(
        r"(?<!\ba )(?<!\bthe )\b(prediction|target|value =|gradient =)(?!\w)", lambda m: words[m[1]], text
    )
    return docstrings.renamed(text, symbols)
