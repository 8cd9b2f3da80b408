"""The text of an explanation: the forward pass, the backward pass with its reasons, and worked examples."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.reprs import bytes_text
from minitorch_np.layers.activation import Activation
from minitorch_np.study.explain import axes, formulas
from minitorch_np.study.explain.axes import Named, Order, axes_text
from minitorch_np.study.explain.chain import leaves
from minitorch_np.study.explain.formulas import (
    backward_formulas,
    equation_text,
    joined_text,
    loss_formulas,
    loss_renamed,
    order_of,
    split_formula,
)
from minitorch_np.study.explain.run import ONE_AFTER_THE_OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from minitorch_np._internal.arrays import Array
    from minitorch_np.losses.loss import Loss
    from minitorch_np.study.explain.chain import Branch, Chain, SavedArray, Step
    from minitorch_np.study.explain.formulas import Equation

LABEL = 15  # columns of what stands before a list

GIVEN = {  # to the methods that compute
    "forward": ("x", "y"), "function": ("x", "y"), "derivative": ("x", "y"), "gradient": ("x", "y"),
    "backward": ("dy",),
}  # fmt: skip

BAR = "   │ "  # before the lines of layers inside another

WIDEST = 44  # columns that formulas get at most, before the shapes


class Page:
    """Text that grows line by line; no line is longer than `width`, but for what cannot be broken."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: list[str] = []

    def gap(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def line(self, text: str, right: str = "", indent: int = 3) -> None:
        """A formula, and what stands to the right of it: on the next line if both need more room."""
        column = min(WIDEST, self.width // 2)
        if not right:
            self.prose(text, indent)
        elif indent + len(text) + 2 > column or column + len(right) > self.width:
            self.prose(text, indent)
            self.prose(right, max(indent + 4, min(column, self.width - len(right))))
        else:
            self.lines.append(f"{' ' * indent + text:{column}}{right}")

    def prose(self, text: str, indent: int = 3, hanging: int = 0) -> None:
        first, others = " " * indent, " " * (indent + hanging)
        self.lines += textwrap.wrap(
            text, self.width, initial_indent=first, subsequent_indent=others, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip

    def item(self, label: str, text: str, indent: int = 3) -> None:
        self.prose(f"{label:{LABEL}}{text}", indent, hanging=LABEL)

    def table(self, rows: Iterable[tuple[str, ...]], indent: int) -> None:
        """Columns under one another; where a row is too long its last cell goes below it."""
        rows = list(rows)
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
        for *cells, last in rows:
            start = " " * indent + "  ".join(cell.ljust(w) for cell, w in zip(cells, widths, strict=True))
            if len(start) + 2 + len(last) <= self.width:
                self.lines.append(f"{start}  {last}")
            else:
                self.lines += [start.rstrip(), f"{' ' * (indent + 4)}{last}"]

    @contextmanager
    def indented(self, prefix: str) -> Iterator[None]:
        """Inside, every line begins with the prefix; a gap at the beginning is left out."""
        start = len(self.lines)
        self.width -= len(prefix)
        yield
        self.width += len(prefix)
        lines = self.lines[start + (self.lines[start : start + 1] == [""]) :]
        self.lines[start:] = [f"{prefix}{line}".rstrip() for line in lines]

    def title(self, path: str, text: str) -> None:
        self.prose(f"{path:1}  {text}", 0, hanging=3)

    def array(self, array: Named, indent: int = 6) -> None:
        """The numbers: a small array in full, of a large one the corners."""
        text = np.array2string(
            array.value, max_line_width=self.width - indent - 3, precision=4, threshold=40, edgeitems=2
        )
        self.prose(f"{array.name} =", indent)
        self.lines += textwrap.indent(text, " " * (indent + 3)).splitlines()

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


def listed(names: list[str]) -> str:
    """`grad_w (…), grad_b (…) and grad_x (…)`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


FULL = 8  # terms of a sum that are all shown


def agrees(computed: Array, array: Array) -> bool:
    """Whether a formula gives what backward computed, up to rounding."""
    scale = float(np.abs(array).max(initial=0, where=np.isfinite(array)))
    return bool(np.allclose(computed, array, rtol=1e-3, atol=1e-5 * scale, equal_nan=True))


def largest(array: Array) -> tuple[int, ...] | None:
    """Where the number furthest from 0 stands; None in an empty array."""
    if not array.size:
        return None
    return tuple(map(int, np.unravel_index(np.argmax(np.abs(array)), array.shape)))


def product_element(order: Order, target: Named) -> str:
    """The largest element of a product: its terms, their sum, and what was computed."""
    at = largest(target.value)
    if at is None:
        return ""
    terms = list(zip(order.left.value[at[0]], order.right.value[:, at[1]], strict=True))
    value = sum(float(a) * float(b) for a, b in terms)
    return _worked(target, at, [f"{_factor(a)}·{_factor(b)}" for a, b in terms], value)


def sum_element(summed: Named, target: Named) -> str:
    """The largest element of a sum over the rows."""
    at = largest(target.value)
    if at is None:
        return ""
    terms = list(summed.value[:, at[0]])
    return _worked(target, at, [_factor(term) for term in terms], sum(map(float, terms)))


def slope_elements(dy: Named, slope: Array, dx: Named) -> Iterator[str]:
    """An elementwise derivative where dx is largest, and where another slope is smallest."""
    at = largest(dx.value)
    if at is None:
        return
    smallest = tuple(map(int, np.unravel_index(np.argmin(np.abs(slope)), slope.shape)))
    for place in [at, smallest] if slope[at] != slope[smallest] else [at]:
        up, down = dy.value[place], slope[place]
        yield _worked(dx, place, [f"{_factor(up)}·{_factor(down)}"], float(up) * float(down))


def _worked(target: Named, at: tuple[int, ...], terms: list[str], value: float) -> str:
    """`grad_w[0, 1] = 2·3 + 4·5 = 26, as computed`."""
    if len(terms) > FULL:
        terms = [*terms[:3], f"… {len(terms) - 4} more …", terms[-1]]
    computed = target.value[at]
    scale = float(np.abs(target.value).max())
    same = np.isclose(value, computed, rtol=1e-3, atol=1e-5 * scale, equal_nan=True)
    verdict = "as computed" if same else f"but what was computed is {_number(computed)}"
    return f"{target.name}{list(at)} = {' + '.join(terms)} = {_number(value)}, {verdict}"


def _number(value: float) -> str:
    return f"{float(value) + 0.0:.4g}"  # 0 for −0


def _factor(value: float) -> str:
    """A number beside a sign or a dot."""
    text = _number(value)
    return f"({text})" if text.startswith("-") else text


def write_forward(page: Page, chain: Chain, numbers: bool) -> None:
    page.gap()
    end = chain.prediction.name if chain.loss is None else "the loss"
    page.prose(f"FORWARD, from {chain.x} to {end}", 0)
    if numbers:
        page.array(chain.x)
    write_steps(page, chain.steps, numbers)
    if chain.loss is not None:
        page.gap()
        page.title("", repr(chain.loss))
        write_loss(page, chain, chain.loss)
    page.gap()
    counts = [step.multiply_adds for step in leaves(chain.steps)]
    rest = ", without those of layers that do not say" * (None in counts)
    page.prose(f"{sum(count or 0 for count in counts):,} multiply-adds forward{rest}.", 0)
    page.prose(f"{bytes_text(chain.saved_bytes)} saved for the backward pass, each array counted once.", 0)


def write_steps(page: Page, steps: Sequence[Step], numbers: bool) -> None:
    for step in steps:
        page.gap()
        page.title(step.path, title_of(step))
        if step.branches:
            write_branches(page, step, numbers)
        else:
            write_step(page, step)
        if numbers and step.joined != ONE_AFTER_THE_OTHER:
            page.array(step.arrays["y"])


def title_of(step: Step) -> str:
    """How the layer is built; of one whose branches are told below it, the class."""
    text = " ".join(repr(step.layer).split())
    return text if step.joined in ("", ONE_AFTER_THE_OTHER) else text.partition("(")[0]


def write_branches(page: Page, step: Step, numbers: bool) -> None:
    x, y = step.arrays["x"], step.arrays["y"]
    if step.joined == ONE_AFTER_THE_OTHER:
        page.prose(f"{x} goes through the layers of which it is composed, to {y}.")
    else:
        inside = sum(bool(branch.steps) for branch in step.branches)
        past = " and past it" if inside == 1 else " and past them"
        into = "through the layer" if inside == 1 else f"into each of {inside} branches"
        page.prose(f"{x} goes {into}{past if inside < len(step.branches) else ''}.")
    for branch in step.branches:
        if branch.steps:
            write_branch_name(page, step, branch)
            with page.indented(BAR):
                write_steps(page, branch.steps, numbers)
    if step.joined != ONE_AFTER_THE_OTHER:
        page.gap()
        parts = [branch.y for branch in step.branches]
        shapes = ", ".join(axes_text(part.axes) for part in parts)
        page.line(
            f"{y.name} = {joined_text(step, [p.name for p in parts])}", f"{shapes} -> {axes_text(y.axes)}"
        )


def write_branch_name(page: Page, step: Step, branch: Branch) -> None:
    page.gap()
    if step.joined != ONE_AFTER_THE_OTHER and sum(bool(branch.steps) for branch in step.branches) > 1:
        page.prose(f"branch {branch.name}:")


def write_step(page: Page, step: Step) -> None:
    x, y = step.arrays["x"], step.arrays["y"]
    known = formulas.equations(formulas.first_line(type(step.layer)), step.arrays)
    orders = [order_of(step, equation) for equation in known if equation.target == "y" and equation.right]
    formula, _ = split_formula(step)
    shapes = f"{axes_text(x.axes)} -> {axes_text(y.axes)}"
    page.line(formula or f"{y.name} is computed from {x.name}", orders[0].shapes() if orders else shapes)
    if not formula:
        write_source(page, type(step.layer), ("function", "forward"), meanings_of(step))
    for symbol in step.parameters:
        array, count = step.arrays[symbol], step.arrays[symbol].value.size
        many = f"{count:,} number{'s' * (count != 1)}"
        page.item("learns", f"{array}: {many}, {bytes_text(array.value.nbytes)}")
    page.item("saves", saved_text(step.saved))
    cost = step.multiply_adds
    if cost:
        page.item("multiply-adds", f"{f'{orders[0].cost()} = ' if orders else ''}{cost:,}")
    elif cost is None:
        page.item("multiply-adds", "not said: a method multiply_adds(x_shape, y_shape) would")


def write_source(page: Page, cls: type, methods: Sequence[str], meanings: Mapping[str, str]) -> bool:
    """The lines of the first of these methods that the class itself computes with; False without source.

    `meanings` are names in the network: of what stands in the source as self.weight, and of what is given.
    """
    for method in methods:
        lines = formulas.source_lines(cls, method)
        if lines:
            given = dict(zip(formulas.arguments(cls, method), GIVEN[method], strict=False))
            names = {name: meanings.get(symbol, name) for name, symbol in given.items()}
            names |= {name: meanings[name] for name in meanings if name.startswith("self.")}
            text = "\n".join(lines)
            said = [
                f"{name} is {meaning}"
                for name, meaning in names.items()
                if name not in (meaning, f"self.{meaning}")
                and re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)
            ]
            page.prose(f"Its {method}:", 6)
            page.lines += [f"{' ' * 9}{line}".rstrip() for line in lines]
            page.prose(f"Here {listed(said)}." if said else "", 6)
            return True
    return False


def meanings_of(step: Step) -> dict[str, str]:
    """Names in the network of x, y and dy, and of the parameters as self.…"""
    said = {symbol: step.arrays[symbol].name for symbol in ("x", "y", "dy")}
    own = {name: f"self.{symbol}" for symbol, name in formulas.shapes(type(step.layer))[1].items()}
    return said | {own.get(s, f"self.{s}"): step.arrays[s].name for s in step.parameters}


def write_loss(page: Page, chain: Chain, loss: Loss) -> None:
    formula, _ = loss_formulas(chain, loss)
    given = ", ".join(axes_text(array.axes) for array in (chain.prediction, chain.target) if array)
    page.line(formula or f"loss is computed from {chain.prediction.name} and y", f"{given} -> ()")
    if not formula:
        write_source(page, type(loss), ("function", "forward"), {"x": chain.prediction.name, "y": "y"})
    if loss.reduction == "none":
        page.item("'none'", "all values as they are; backward starts as if they were added up")
    else:
        divided = "" if chain.divisor is None else f" and divided by {chain.divisor:g}, the gradient too"
        page.item(repr(loss.reduction), f"added up{divided}: {float(chain.value):.6g}")
    parameter = inspect.signature(type(loss)).parameters.get("reduction")
    if parameter is not None and parameter.default != loss.reduction:
        page.item("", f"(the formulas are those of the docstring, for {parameter.default!r})")
    page.item("saves", saved_text(chain.loss_saved))


def saved_text(saved: Sequence[SavedArray]) -> str:
    parts = []
    for one in saved:
        name = f"{one.name} {axes_text(one.axes)}" if one.axes else one.name or f"an array {one.shape}"
        parts.append(f"{name} ({'counted above' if one.again else bytes_text(one.nbytes)})")
    return ", ".join(parts) or "nothing"


def write_backward(page: Page, chain: Chain, numbers: bool) -> None:
    first = [step for step in leaves(chain.steps[:1]) if step.parameters][:1]
    last = [step.arrays[f"d{step.parameters[0]}"].name for step in first]
    page.gap()
    start = chain.dy.name if chain.loss is None else "the loss"
    page.prose(f"BACKWARD, from {start} to {last[0] if last else f'grad_{chain.x.name}'}", 0)
    page.prose(
        "grad_a is the gradient of the loss with respect to a: one number for each number of a, in a's shape. "
        "These shapes, and what each layer saved, decide the formulas. The chain rule leads from layer to "
        "layer: where c is computed from a, grad_a = Σ grad_c · dc/da, the sum over all numbers of c.",
        0,
    )
    page.gap()
    if chain.loss is None:
        page.prose(f"Without a loss {chain.dy} is random, standard normal.")
    else:
        page.title("", repr(chain.loss))
        _, gradient = loss_formulas(chain, chain.loss)
        reason = loss_renamed(chain, chain.loss, formulas.paragraph(type(chain.loss), "Backward"))
        page.line(gradient or chain.dy.name, axes_text(chain.dy.axes))
        reason = reason.removeprefix(f"{gradient}.").strip()
        page.prose(reason, 6)
        if not (reason or gradient):
            names = {"x": chain.prediction.name, "y": "y"}
            write_source(page, type(chain.loss), ("derivative", "backward"), names)
    if numbers:
        page.array(chain.dy)
    steps = _Steps(page, chain, numbers)
    for step in reversed(chain.steps):
        steps.write(step)
    if steps.multiply_adds:
        page.gap()
        page.prose(f"{steps.multiply_adds:,} multiply-adds in the matrix products above.", 0)


class _Steps:
    """Writes them to a page. The reasons of a kind of layer are given once, at its first gradient."""

    def __init__(self, page: Page, chain: Chain, numbers: bool) -> None:
        self.page, self.chain, self.numbers = page, chain, numbers
        self.multiply_adds = 0
        self.reasons: dict[tuple[type, str], str] = {}  # of class and symbol, where they were given

    def write(self, step: Step) -> None:
        self._title(step)
        if step.branches:
            self._branches(step)
            return
        if isinstance(step.layer, Activation):
            self._activation(step, step.layer)
            return
        text = backward_formulas(step.layer)
        known = {symbol for symbol in {*step.arrays, "dx"} if symbol not in ("x", "y", "dy")}
        found = [e for e in formulas.equations(text, {*step.arrays, "dx"}) if e.target in known]
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
            self._as_told(step, text)
            said = set(step.arrays)
            self._numbers(step, step.gradients())
        unsaid = [name for name in step.gradients() if name not in said]
        if unsaid:
            gradients = listed([str(step.arrays[name]) for name in unsaid])
            self.page.prose(f"Its docstring has no formula for {gradients}.")
            write_source(self.page, type(step.layer), ("backward",), meanings_of(step))
            self._numbers(step, unsaid)

    def _as_told(self, step: Step, text: str) -> None:
        """The paragraph of the docstring; if dx is not computed, without the sentences on it alone."""
        if "dx" not in step.arrays and step.gradients():
            others = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, step.gradients()))})(?![A-Za-z0-9])")
            sentences = re.split(r"(?<=\.)\s+", text)
            kept = [s for s in sentences if not re.search(r"\bdx\b", s) or others.search(s)]
            text = " ".join([*kept, f"grad_{step.arrays['x'].name} is left out: nobody needs it to train."])
        self.page.prose(step.renamed(text))

    def _title(self, step: Step) -> None:
        self.page.gap()
        self.page.title(step.path, title_of(step))
        made = listed([str(step.arrays[name]) for name in step.gradients()])
        none = "those of the layers inside" if step.branches else "no gradient that anybody needs"
        self.page.prose(f"from {step.arrays['dy']} to {made or none}")

    def _branches(self, step: Step) -> None:
        if step.joined != ONE_AFTER_THE_OTHER:
            self._split(step)
        for branch in step.branches:
            if branch.steps:
                write_branch_name(self.page, step, branch)
                with self.page.indented(BAR):
                    for inner in reversed(branch.steps):
                        self.write(inner)
        if step.joined != ONE_AFTER_THE_OTHER:
            self.page.gap()
            self._sum_of_branches(step)

    def _split(self, step: Step) -> None:
        """What the end of each branch gets of dy."""
        y, dy = step.arrays["y"], step.arrays["dy"]
        formula = f"{y.name} = {joined_text(step, [branch.y.name for branch in step.branches])}"
        if step.joined == "concatenate":
            parts = ", ".join(branch.dy.name for branch in step.branches)
            self.page.line(f"{parts} = the parts of {dy.name}", axes_text(dy.axes))
            why = f"{formula}: each number stands in {y.name} as it is, so"
            self.page.prose(f"{why} each branch gets the part of {dy.name} where its own numbers stand.", 6)
        else:
            inside = [branch for branch in step.branches if branch.steps]
            self.page.line(" = ".join([*(b.dy.name for b in inside), dy.name]), axes_text(dy.axes))
            slopes = [f"d{y.name}/d{branch.y.name}" for branch in step.branches]
            be = "is" if len(slopes) == 1 else "are"
            self.page.prose(f"{formula}, so {listed(slopes)} {be} 1: a sum hands {dy.name} on as it is.", 6)

    def _sum_of_branches(self, step: Step) -> None:
        """dx: what all branches give back, added up."""
        x, dx = step.arrays["x"], step.arrays.get("dx")
        parts = [branch.dx for branch in step.branches if branch.dx is not None]
        if dx is None:
            return
        self.page.line(f"{dx.name} = {' + '.join(part.name for part in parts)}", axes_text(dx.axes))
        key = (type(step.layer), "dx")
        if key in self.reasons:
            self.page.prose(f"As {self.reasons[key]}: {x.name} goes into every branch.", 6)
        else:
            self.reasons[key] = dx.name
            self.page.prose(
                f"{x.name} moves the loss by way of every branch that it goes into: the chain rule's sum goes "
                "over the branches too.",
                6,
            )
            if step.joined == "sum" and not all(branch.steps for branch in step.branches):
                past = f"Past the layer {step.arrays['dy'].name} comes back as it is"
                self.page.prose(f"{past}, which is why deep stacks of these train.", 6)
        self._check(sum(part.value for part in parts[1:]) + parts[0].value, dx)
        if self.numbers:
            self.page.array(dx)
            at = largest(dx.value)
            if at is not None:
                terms = [part.value[at] for part in parts]
                self.page.prose(_worked(dx, at, list(map(_factor, terms)), float(sum(terms))), 6, 4)

    def _activation(self, step: Step, layer: Activation) -> None:
        slope_formula = split_formula(step)[1]
        self.page.line(slope_formula)
        self.page.prose(f"By the chain rule: {step.renamed(backward_formulas(layer))}")
        if not slope_formula:
            write_source(self.page, type(layer), ("derivative", "gradient"), meanings_of(step))
        self._numbers(step, step.gradients())
        if self.numbers and "dx" in step.arrays:
            x, y, dy, dx = (step.arrays[name] for name in ("x", "y", "dy", "dx"))
            slope = np.broadcast_to(layer.derivative(x.value, y.value), x.value.shape)
            for line in slope_elements(dy, slope, dx):
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
            self.page.prose(product_element(order, target), 6, 4)

    def _reason(self, step: Step, equation: Equation, order: Order, target: Named) -> None:
        key = (type(step.layer), equation.target)
        if key in self.reasons:
            self.page.prose(f"As {self.reasons[key]}: {order.inner} vanishes, {vanishing(order, step)}.", 6)
        else:
            self.reasons[key] = target.name
            self._chain_rule(step, equation)
            self.page.prose(step.renamed(equation.sentence), 6)
            self.page.prose(f"By the shapes, {target} has to come out:", 6)
            self.page.table(
                (
                    (str(o), o.shapes(), why)
                    for o, why in axes.choices(order, target, step.arrays[equation.target[1:]].name)
                ),
                9,
            )
            self.page.prose(f"The axis that vanishes is {order.inner}: {vanishing(order, step)}.", 6)
        chance = axes.by_chance(order, target, self.chain.sizes)
        if chance:
            self.page.prose(
                f"By the numbers alone {axes.some(chance)} would fit too, since "
                f"{axes.equal_sizes(order, self.chain.sizes)}: what the axes mean decides.",
                6,
            )
        count = axes.size(order.cost(), self.chain.sizes)
        self.multiply_adds += count
        self.page.prose(f"{order.cost()} = {count:,} multiply-adds", 6)

    def _chain_rule(self, step: Step, equation: Equation) -> None:
        """One number of y as a sum, its derivative, and the chain rule, where y is a product such as x W."""
        forward = next(
            (e for e in formulas.equations(formulas.first_line(type(step.layer)), step.arrays) if e.right), None
        )
        if forward is None or forward.target != "y" or forward.left_transposed or forward.right_transposed:
            return
        y, left, right = (step.arrays[n].name for n in ("y", forward.left, forward.right))
        factors = {f"d{forward.left}": f"{left}[n,i]", f"d{forward.right}": f"{right}[i,j]"}
        if equation.target not in factors:
            return
        of = factors.pop(equation.target)
        (slope,) = factors.values()
        bias = f" + {step.arrays['b'].name}[j]" if "b" in step.arrays else ""
        over = "j" if of.endswith("[n,i]") else "n"
        gradient = step.arrays[equation.target].name + of[of.index("[") :]
        one = f"{y}[n,j] = Σ_i {left}[n,i] {right}[i,j]{bias}"
        self.page.prose(f"Forward, one number: {one}, so d{y}[n,j]/d{of} = {slope}.", 6)
        self.page.prose(
            f"Chain rule: {gradient} = Σ_{over} grad_{y}[n,j] · d{y}[n,j]/d{of}, over all numbers of {y} that "
            f"{of} goes into.",
            6,
        )

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
            self.page.prose(sum_element(summed, target), 6, 4)

    def _check(self, computed: Array, target: Named) -> None:
        if computed.shape != target.value.shape or not agrees(computed, target.value):
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
        what = "rows" if "·" in order.inner else "samples"
        return f"the sum over all {order.inner} {what}, since they all use the same {learned}"
    if order.inner == y.axes[-1]:
        return f"the sum over the outputs, since every one of {x.name} goes into all {order.inner} of them"
    return "the sum of the product"
