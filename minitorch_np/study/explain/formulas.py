"""Formulas of layers and losses, read off their docstrings, in the names of a network."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.losses.loss import Loss
from minitorch_np.study.explain.axes import Order

if TYPE_CHECKING:
    from minitorch_np.study.explain.chain import Chain, Step

COMPUTING = ("forward", "backward", "function", "derivative", "gradient")

END = r"\n\n|\n(?:Shapes:|Backward:|Source:|Raises )|\Z"  # of a paragraph

EQUATION = re.compile(
    r"(?<!\w)(?P<target>\w+) = "
    r"(?:Σ_(?P<index>\w) (?P<summed>\w+)_(?P=index)(?!\w)"  # db = Σ_n dy_n
    r"|(?P<left>\w+?)(?P<left_t>ᵀ|\.T)? (?:@ )?(?P<right>\w+?)(?P<right_t>ᵀ|\.T)?(?![\w(]))"  # dW = xᵀ dy
)


class Equation(NamedTuple):
    """A matrix product, or where `right` is empty a sum over the leading axes, and the sentence it is in."""

    target: str
    left: str
    left_transposed: bool
    right: str
    right_transposed: bool
    sentence: str


def first_line(cls: type) -> str:
    """The first line, which has the formula; of a class without a docstring the empty text."""
    return next((text.splitlines()[0].replace("`", "") for text in _docstrings(cls)), "")


def paragraph(cls: type, name: str) -> str:
    """The paragraph `name: …` on one line, without its name; empty if there is none."""
    for text in _docstrings(cls):
        found = re.search(rf"^{name}: (.*?)(?={END})", text, re.DOTALL | re.MULTILINE)
        if found:
            return " ".join(found[1].replace("`", "").split())
    return ""


def _docstrings(cls: type) -> Iterator[str]:
    """From the class up to the one that computes: what stands above that describes something else."""
    for base in cls.__mro__:
        if text := inspect.cleandoc(base.__doc__ or ""):
            yield text
        if any(method in vars(base) for method in COMPUTING):
            return


def source_lines(cls: type, method: str) -> list[str]:
    """The body of a method that a class defines, without its docstring; empty where no source is at hand.

    What a base class of this package defines for all its subclasses says nothing about this one.
    """
    owner = next((base for base in cls.__mro__ if method in vars(base)), object)
    if owner in (Layer, Loss, Activation):
        return []
    try:
        text = textwrap.dedent(inspect.getsource(vars(owner)[method]))
        (function,) = ast.parse(text).body
    except (KeyError, OSError, TypeError, SyntaxError, ValueError):
        return []
    if not isinstance(function, ast.FunctionDef):
        return []
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return []
    lines = text.splitlines()[body[0].lineno - 1 : function.end_lineno]
    if body[0].lineno == function.lineno:  # def f(x): return x
        return [ast.unparse(statement) for statement in body]
    return textwrap.dedent("\n".join(lines)).splitlines()


def saved_names(cls: type) -> list[str]:
    """The variables that forward hands to save_for_backward; empty where others are or no source is at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls.forward)))  # type: ignore[attr-defined]
    except (OSError, TypeError, SyntaxError, ValueError):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    saving = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "save_for_backward"]
    given = saving[-1].args if saving else []
    return [name.id for name in given if isinstance(name, ast.Name)]


def arguments(cls: type, method: str) -> list[str]:
    """The names of the arguments of a method, without self."""
    return list(inspect.signature(getattr(cls, method)).parameters)[1:]


def shapes(cls: type) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """From `Shapes: x (..., in) -> y (..., out), weight W (in, out)`: the axes of x, y, W; weight is W."""
    axes: dict[str, tuple[str, ...]] = {}
    symbols = {}
    for name, symbol, inside in re.findall(r"(\w+)(?: (\w))? \(([^()]*)\)", paragraph(cls, "Shapes")):
        axes.setdefault(symbol or name, tuple(part.strip() for part in inside.split(",") if part.strip()))
        if symbol:
            symbols[name] = symbol
    return axes, symbols


def equations(text: str, known: Container[str]) -> list[Equation]:
    """The products and sums in a text of which all arrays are known, as `dW = xᵀ dy` or `dW = x.T @ dy`."""
    found = []
    for sentence in re.split(r"(?<=\.)\s+", text):
        for match in EQUATION.finditer(sentence):
            left, right = match["summed"] or match["left"], match["right"] or ""
            if match["target"] in known and left in known and (not right or right in known):
                turned = bool(match["left_t"]), bool(match["right_t"])
                found.append(Equation(match["target"], left, turned[0], right, turned[1], sentence))
    return found


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with other names for its arrays: x_ni becomes h_relu[n,i], dy/dx dy_pred/dh_relu; x̂ stays."""
    one = "|".join(sorted(map(re.escape, names), key=len, reverse=True))

    def other(match: re.Match[str]) -> str:
        if match["y"]:
            return f"d{names['y']}/d{names['x']}"
        return names[match["name"]] + (f"[{','.join(match['index'])}]" if match["index"] else "")

    pattern = rf"(?<![\w.])(?:(?P<y>dy/dx)|(?P<name>{one})(?:_(?P<index>[a-z]{{1,2}}))?)(?![A-Za-z0-9_\u0302])"
    return re.sub(pattern, other, text) if one else text


def without(text: str, symbol: str) -> str:
    """A formula for a layer that lacks one of its parameters: y = x W + b without b, and no word of db."""
    letter = re.escape(symbol)
    text = re.sub(rf" [+·] {letter}(?:\[[^\]]*\])?(?!\w)", "", text)
    text = re.sub(rf"(?:,? and |, )d{letter} = [^,;.]*", "", text)
    clauses = re.split(r"(?<=[;.]) ", text)
    about = re.compile(rf"(?<!\w)d?{letter}(?![\w\u0302])")
    return " ".join(clause for clause in clauses if not about.search(clause) or "dx" in clause) or text


def backward_formulas(layer: object) -> str:
    """The paragraph Backward of a layer; an activation has its base class's, as it has its backward."""
    text = paragraph(type(layer), "Backward")
    if not text and getattr(type(layer), "backward", None) is Activation.backward:
        text = paragraph(Activation, "Backward")
    return text


def split_formula(step: Step) -> tuple[str, str]:
    """`y = f(x), dy/dx = f′(x).` as y = f(x) and dy/dx = f′(x), in the network's names."""
    line = first_line(type(step.layer)).removesuffix(".")
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


def joined_text(step: Step, names: list[str]) -> str:
    """`h_relu + x`, or what stands side by side."""
    return f"[{', '.join(names)}] side by side" if step.joined == "concatenate" else " + ".join(names)


def loss_formulas(chain: Chain, loss: Loss) -> tuple[str, str]:
    """`value = f(prediction, target), gradient = g` as loss = f and grad_y_pred = g.

    The second may also begin the paragraph Backward.
    """
    line = first_line(type(loss)).removesuffix(".")
    forward, _, gradient = re.sub(r"[,;] (?=gradient =)", "\n", line, count=1).partition("\n")
    if not gradient:
        found = re.match(r"gradient = .*?(?=[.;](?:\s|$))", paragraph(type(loss), "Backward"))
        gradient = found[0] if found else ""
    return loss_renamed(chain, loss, forward), loss_renamed(chain, loss, gradient)


def loss_renamed(chain: Chain, loss: Loss, text: str) -> str:
    """A text of a loss's docstring; where it says `logits x` or `targets t`, x and t are renamed as well."""
    words = {
        "prediction": chain.prediction.name,
        "target": "y",
        "value =": "loss =",
        "gradient =": f"{chain.dy.name} =",
    }
    said = first_line(type(loss)), inspect.cleandoc(type(loss).__doc__ or "")
    symbols: dict[str, str] = {}
    if found := re.search(r"(?:logits|probabilities) (\w)\b", said[0]):
        symbols |= {found[1]: chain.prediction.name, f"d{found[1]}": f"d{chain.prediction.name}"}
    if found := re.search(r"class (\w)\b", said[0]) or re.search(r"[Tt]argets (\w)\b", said[1]):
        symbols[found[1]] = "y"
        text = re.sub(rf"(?<=\w_){found[1]}\b", "y", text)  # of x_t
    text = re.sub(
        r"(?<!\b[aA] )(?<!\b[tT]he )\b(prediction|target|value =|gradient =)(?!\w)", lambda m: words[m[1]], text
    )
    return renamed(text, symbols)
