"""A network explained: every layer forward and back, with the names and numbers of one real run."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.notebook import picture_html, text_html
from minitorch_np.layer import Layer
from minitorch_np.losses.classification import NLLLoss
from minitorch_np.study.arguments import loss_and_data
from minitorch_np.study.explain.chain import Chain
from minitorch_np.study.explain.text import Page, write_backward, write_forward

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

MEANINGS = {
    "N": "samples", "D_in": "inputs", "H": "hidden", "D_out": "outputs", "C": "channels", "T": "steps",
    "F": "features",
}  # fmt: skip


def explain(
    model: Layer, loss: Any = None, x: Any = None, y: Any = None, *, numbers: bool = False
) -> Explanation:
    """Explain `explain(model, loss, x, y)`, or `explain(model, x)` without a loss, layer by layer.

    For each layer in forward order and back again: formula, shapes, parameters, what is saved, costs. Those
    inside a Residual, a Parallel or a TransformerEncoderLayer come branch by branch, with what is added up.

    Backward it says for each gradient why its formula has these transposes and sums: which orders fit
    the shapes, which axis vanishes, and that what the layer computed is that formula. Formulas and
    reasons are those of the docstrings; of a layer that has none only what can be seen is said. With
    `numbers` it shows the arrays, cropped, and works out an element of each gradient term by term.

    `str` of the result is the text, `.plot()` the picture as a matplotlib Figure; a notebook shows both.
    Without a loss (and its target y) backward starts from random numbers. A copy of the model runs: the
    model, its gradients, generators and statistics stay as they are.

    Raises TypeError for what is not a layer or a loss, ValueError for a loss without y or y without a loss,
    and what model and loss raise for x and y.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"explain expects a layer or a network, got {model!r}")
    loss, x, y = loss_and_data("explain", loss, x, y)
    return Explanation(repr(model), Chain(model, x, y, loss), numbers)


class Explanation:
    """What `explain` found: `str` is the text, `plot` the picture; a notebook shows both."""

    def __init__(self, model: str, chain: Chain, numbers: bool) -> None:
        self.model, self.chain, self.numbers = model, chain, numbers

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """The text, by default as wide as the terminal but between 60 and 100 columns, 88 without one."""
        if width is None:
            width = min(100, max(60, shutil.get_terminal_size((88, 24)).columns))
        page = Page(width)
        for line in self.model.splitlines():
            page.prose(line.strip(), len(line) - len(line.lstrip()), 4)
        if self.chain.loss is not None:
            page.prose(f"with {self.chain.loss!r}", 0)
        sizes = [self._size(axis) for axis in self.chain.sizes if "·" not in axis]
        page.prose(f"{', '.join(sizes)}; {self.chain.prediction.value.dtype}", 0)
        write_forward(page, self.chain, self.numbers)
        write_backward(page, self.chain, self.numbers)
        return str(page)

    def _repr_html_(self) -> str:
        from minitorch_np.study.explain.picture import OF_A_NOTEBOOK, columns, draw

        return text_html(self.text(100)) + picture_html(draw(columns(self.chain), widest=OF_A_NOTEBOOK))

    def plot(self, path: str | os.PathLike[str] | None = None, figure: Figure | None = None) -> Figure:
        """The arrays as boxes, forward above and backward below; with `path` also written there.

        A warning says if it takes the place of another picture.
        """
        from minitorch_np._internal.pictures import plotted
        from minitorch_np.study.explain.picture import columns, draw

        return plotted(draw(columns(self.chain), figure), path)

    def _size(self, axis: str) -> str:
        meaning = MEANINGS.get(re.sub(r"\d", "", axis), "")
        if axis == "D_out" and isinstance(self.chain.loss, NLLLoss):
            meaning = "classes"
        return f"{axis} = {self.chain.sizes[axis]} {meaning}".rstrip()
