import ast
import inspect
from types import FunctionType

import numpy as np
import pytest

from minitorch_np._internal import syntax_trees
from minitorch_np._internal.syntax_trees import copied_tree


def test_a_copy_is_equal_in_all_fields_and_shares_no_node_that_holds_anything():
    for module in (syntax_trees, inspect):
        tree = ast.parse(inspect.getsource(module))
        copied = copied_tree(tree)
        assert ast.dump(copied, include_attributes=True) == ast.dump(tree, include_attributes=True)
        full = {id(node) for node in ast.walk(tree) if node.__dict__}
        assert not full & {id(node) for node in ast.walk(copied)}
        lists = {
            id(value) for node in ast.walk(tree) for value in node.__dict__.values() if type(value) is list
        }
        assert not lists & {id(value) for node in ast.walk(copied) for value in node.__dict__.values()}


def test_a_node_is_replaced_wherever_it_stands_and_the_tree_stays_as_it_is():
    tree = ast.parse("a = f(b) + b * f(b)").body[0]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = copied_tree(tree, {id(call): ast.Name("c", ast.Load()) for call in calls})
    assert ast.unparse(made) == "a = c + b * c"
    assert ast.unparse(tree) == "a = f(b) + b * f(b)"


def test_what_is_no_node_is_copied_too():
    tree = ast.Constant(np.arange(3))
    copied = copied_tree(tree)
    copied.value += 1
    assert tree.value.tolist() == [0, 1, 2]


def test_all_nodes_that_hold_anything_are_walked():
    tree = ast.parse(inspect.getsource(inspect))
    walked = {id(node) for node in syntax_trees.walked(tree)}
    assert walked == {id(node) for node in ast.walk(tree) if type(node) not in syntax_trees.EMPTY}


@pytest.mark.parametrize(
    "text",
    [
        "-1.5",
        "x[1:, ::2]",
        "x[..., None].T.shape",
        "np.add(x, y=2) if False else np.add(x, 2)",
        "np.clip(x, a_min=1, a_max=len(x))",
        "np.stack([*x, x[0]])",
        "np.add(*[x, x])",
        "(*x.shape, 3)",
        "np.clip(x, **{'a_min': 0, 'a_max': 1})",
        "x @ x.T + 2 * x.sum() > 3",
    ],
)
def test_an_expression_comes_to_what_python_makes_of_it(text):
    scope = {"np": np, "x": np.arange(6.0).reshape(2, 3)}
    made = syntax_trees.evaluated(ast.parse(text, mode="eval").body, scope)
    expected = eval(text, dict(scope))
    assert type(made) is type(expected)
    np.testing.assert_array_equal(made, expected)


def test_a_path_is_a_tree_of_its_own():
    syntax_trees.path("a.b").attr = "c"
    for text in ("a", "a.b", "np.linalg.norm"):
        assert ast.dump(syntax_trees.path(text)) == ast.dump(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize("text", ["", "a", "a, /, b", "a, *more", "*, b", "a, /, b, *more, c, **others"])
def test_a_function_of_the_same_parameters_returns_what_they_are(text):
    arguments = ast.parse(f"lambda {text}: 0", mode="eval").body.args
    function = FunctionType(syntax_trees.parameters_alone(arguments, "f"), {})
    theirs = inspect.signature(eval(f"lambda {text}: 0"))
    for given, named in (
        ((), {}),
        ((1,), {}),
        ((1, 2), {"c": 3}),
        ((1, 2, 3), {"c": 4, "d": 5}),
        ((), {"b": 6}),
    ):
        try:
            bound = theirs.bind(*given, **named)
        except TypeError:
            with pytest.raises(TypeError, match=r"^f\(\)"):
                function(*given, **named)
        else:
            bound.apply_defaults()
            assert function(*given, **named) == bound.arguments
