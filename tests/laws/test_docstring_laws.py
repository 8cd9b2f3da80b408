"""Docstrings of layers and losses have the form that `explain` reads; see those of Layer and Loss."""

import pytest
from table.layers import LAYERS

import minitorch_np as mt
from minitorch_np.study.explain.formulas import backward_formulas, first_line, paragraph, shapes

ONE_OF_EACH = {type(layer): layer for layer in (case.make("float64") for case in LAYERS.values())}
LAYER_CLASSES = [cls for cls in ONE_OF_EACH if cls is not mt.Sequential and not cls.__name__.startswith("_")]
LOSS_CLASSES = [getattr(mt, name) for name in mt.losses.__all__ if name != "Loss"]


def problems(layer):
    """What `explain` would not find in the docstring of a layer."""
    cls, found = type(layer), []
    line = first_line(cls)
    if not line.startswith(("y = ", "y_i = ", "y[t] = ")):
        found.append("formula")
    if isinstance(layer, mt.Activation):
        return found + ["derivative"] * ("dy/dx = " not in line) + ["backward"] * (not backward_formulas(layer))
    axes, symbols = shapes(cls)
    if not axes.get("x") or not axes.get("y"):
        found.append("shapes")
    if {name for name, _ in layer.named_parameters() if "." not in name} - set(symbols):
        found.append("parameters")
    return found + ["backward"] * (not backward_formulas(layer) and not any(layer.children()))


@pytest.mark.parametrize("cls", LAYER_CLASSES)
def test_a_layer_says_its_formula_its_shapes_and_its_gradients(cls):
    assert problems(ONE_OF_EACH[cls]) == []


@pytest.mark.parametrize("cls", LOSS_CLASSES)
def test_a_loss_says_its_value_and_its_gradient(cls):
    assert "value = " in first_line(cls)
    assert "gradient = " in first_line(cls) or paragraph(cls, "Backward")
    assert paragraph(cls, "Shapes")


def test_the_law_sees_what_is_missing():
    class Silent(mt.Linear):
        """A dense layer.

        Shapes: x (..., in_features) -> y (..., out_features).
        """

        def forward(self, x):
            return super().forward(x)

    class Odd(mt.Activation):
        """y = x³."""

        def function(self, x):
            return x**3

        def derivative(self, x, y):
            return 3 * x * x

    assert problems(Silent(2, 3)) == ["formula", "parameters", "backward"]
    assert problems(Odd()) == ["derivative"]
