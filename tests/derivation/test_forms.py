"""The interpreter by itself: statements that it writes for a function compute what the function computes."""

import ast
import copy
import re
import warnings

import numpy as np
import pytest
from derivation.forms import FORMS, REFUSED

import minitorch_np as mt
from minitorch_np.derivation.calls import Calls
from minitorch_np.derivation.helpers import Helpers
from minitorch_np.derivation.interpreter import Interpreter
from minitorch_np.derivation.objects import Objects
from minitorch_np.derivation.operations import Operations
from minitorch_np.derivation.parts import connect
from minitorch_np.derivation.passes import Passes
from minitorch_np.derivation.rule import UpdateRule
from minitorch_np.derivation.writer import Writer

X = np.linspace(-0.9, 1, 6).reshape(2, 3)
OTHERS = [X[::-1] * 0.3, -X, X * 4, np.zeros((2, 3))]


def gone_through(function, plain=True):
    """Return the writer, and the program of a function of x as text."""
    writer, calls = Writer(plain), Calls()
    connect(
        writer=writer,
        ops=Operations(),
        objects=Objects(),
        interpreter=Interpreter(),
        calls=calls,
        helpers=Helpers(),
        passes=Passes(mt.Identity(), None),
        rule=UpdateRule(),
    )
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        result = calls.enter(function, [writer.given("x", X.copy())], {})
    lines = [ast.unparse(statement.tree()) for statement in writer.block]
    return writer, "\n".join([*lines, f"result = {ast.unparse(writer.node(result))}"]).replace("$", "v")


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("function", FORMS, ids=lambda function: function.__name__)
def test_the_statements_compute_what_the_function_computes(function, plain):
    writer, text = gone_through(function, plain)
    program = compile(text, function.__name__, "exec")
    for x in [X, *OTHERS] if plain else [X]:
        scope = {"np": np, "v0": x.copy()}
        scope |= {key.replace("$", "v"): array for key, array in copy.deepcopy(writer.starts).items()}
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            exec(program, scope)
            np.testing.assert_array_equal(scope["result"], function(x.copy()), text)


@pytest.mark.parametrize(
    ("function", "message"), REFUSED.items(), ids=lambda part: getattr(part, "__name__", "")
)
def test_what_cannot_be_written_is_refused(function, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        gone_through(function)
    assert "forms.py line " in str(caught.value)
