"""The parts of a derivation, each by itself, and the product of all."""

import ast
import linecache

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np._internal.numerics import plain_form, product
from minitorch_np.derivation import source
from minitorch_np.derivation.derive import derive
from minitorch_np.derivation.folding import Folding, fold
from minitorch_np.derivation.naming import Names
from minitorch_np.derivation.operations import Operations
from minitorch_np.derivation.parts import connect
from minitorch_np.derivation.source import SourceError, source_of
from minitorch_np.derivation.statements import Statement, inside, keys_in, replaced
from minitorch_np.derivation.values import Expression, Variable, example, literal, numpy_name, varies
from minitorch_np.derivation.writer import Writer
from minitorch_np.study.program import rendered

PROGRAM = """
if test:
    for i in rows:
        total += i
else:
    with np.errstate(all="ignore"):
        total = 0
"""


def statement(text):
    (tree,) = ast.parse(text).body
    return Statement.of(tree)


def test_a_statement_of_a_tree_is_that_tree_again():
    made = statement(PROGRAM.strip())
    assert ast.unparse(made.tree()) == ast.unparse(ast.parse(PROGRAM))
    assert [type(inner.head).__name__ for inner in inside([made])] == [
        "If",
        "For",
        "AugAssign",
        "With",
        "Assign",
    ]
    assert not made.head.body  # its blocks are statements of their own
    assert rendered([made]) == [line.replace("'", '"') for line in PROGRAM.strip().splitlines()]


def test_what_is_known_of_a_statement_is_copied_with_it():
    made = Statement(ast.parse("a = b").body[0], comment="why", effect=True, shape="(2,)")
    copied = made.copied()
    assert (copied.comment, copied.effect, copied.shape) == ("why", True, "(2,)")
    assert copied.head is not made.head


def variables(**values):
    made = {f"${i}": Variable(f"${i}", hint, value) for i, (hint, value) in enumerate(values.items())}
    return made, [variable.expression() for variable in made.values()]


def assigned(key, node, **options):
    return Statement(ast.fix_missing_locations(ast.Assign([ast.Name(key, ast.Store())], node)), **options)


def test_a_ledger_counts_what_is_read_and_set_and_changed():
    known, (a, b, _) = variables(a=np.ones(2), b=np.ones(2), c=np.ones(2))
    block = [
        assigned("$2", ast.BinOp(a.node, ast.Add(), b.node)),
        Statement(ast.AugAssign(ast.Name("$2", ast.Store()), ast.Mult(), a.node), effect=True),
    ]
    ledger = Folding(block, known)
    assert (ledger.uses["$0"], ledger.uses["$1"], ledger.uses["$2"], ledger.sets["$2"]) == (2, 1, 1, 1)
    assert ledger.augmented["$2"] == 1
    ledger.remove(block, 1)
    assert (ledger.uses["$0"], ledger.uses["$2"]) == (1, 0)
    made = replaced(block[0].head, {"$1": a.node, "$2": a.node})
    assert (keys_in(made), keys_in(made, ast.Store)) == ({"$0"}, {"$0"})


def test_folding_leaves_what_has_an_effect_and_what_shares_memory():
    base = np.ones((2, 2))
    known, (a, view, _, once) = variables(a=base, view=base.T, b=np.ones(2), once=np.ones(2))
    known["$0"].given = True
    block = [
        assigned("$1", ast.Attribute(a.node, "T", ast.Load())),
        assigned("$2", ast.BinOp(view.node, ast.Add(), view.node)),
        assigned("$3", ast.BinOp(a.node, ast.Mult(), a.node)),
        Statement(ast.AugAssign(ast.Name("$0", ast.Store()), ast.Add(), once.node), effect=True),
        Statement(
            ast.Expr(ast.Call(ast.Name("use", ast.Load()), [ast.Name("$2", ast.Load())], [])), effect=True
        ),
    ]
    text = [ast.unparse(part.tree()) for part in fold(block, known)]
    assert text == ["$2 = $0.T + $0.T", "$0 += $0 * $0", "use($2)"]  # $2 is made before $0 changes


def test_folding_knows_memory_that_is_changed_by_another_name():
    base = np.ones((2, 2))
    known, (a, *_) = variables(a=base, view=base.T, b=np.ones(2))
    known["$0"].given = known["$1"].given = True
    block = [
        assigned("$2", ast.BinOp(a.node, ast.Add(), ast.Constant(1))),
        Statement(ast.AugAssign(known["$1"].store(), ast.Add(), ast.Constant(1)), effect=True),
        Statement(ast.Return(known["$2"].load())),
    ]
    assert [ast.unparse(part.tree()) for part in fold(block, known)] == ["$2 = $0 + 1", "$1 += 1", "return $2"]


def test_a_loop_reads_what_is_made_before_it_at_every_turn():
    known, (a, *_) = variables(a=np.ones(2), h=np.ones(2), i=1, other=np.ones(2))
    known["$0"].name, known["$3"].hint = "a", "h"
    double = ast.BinOp(known["$1"].load(), ast.Mult(), ast.Constant(2))
    body = [assigned("$3", double), Statement(ast.Expr(known["$3"].load()), effect=True)]
    loop = Statement(ast.For(known["$2"].store(), a.node, [], [], lineno=0), body)
    block = [assigned("$1", ast.BinOp(a.node, ast.Add(), a.node)), loop]
    Names(known, reserved=set()).give(block)
    assert rendered(block) == ["h = a + a", "for i in a:", "    h2 = h * 2", "    h2"]


def test_names_are_given_out_again_when_nobody_reads_them():
    known, (a, *_) = variables(a=np.ones(2), h=np.ones(2), h_=np.ones(2))
    known["$2"].hint = "h"
    known["$0"].name = "a"
    block = [
        assigned("$1", ast.BinOp(a.node, ast.Add(), a.node)),
        assigned("$2", ast.BinOp(ast.Name("$1", ast.Load()), ast.Add(), a.node)),
        Statement(ast.Expr(ast.Name("$2", ast.Load())), effect=True),
    ]
    Names(known, reserved=set()).give(block)
    assert rendered(block) == ["h = a + a", "h = h + a", "h"]


def test_the_writer_names_what_is_not_a_variable_yet():
    writer = Writer()
    given = writer.given("x", np.ones(3))
    made = Expression(ast.BinOp(given.node, ast.Add(), given.node), np.full(3, 2.0), varies=True)
    assert writer.named(given, "y") is given
    assert writer.variable_of(writer.named(made, "y")).hint == "y"
    with writer.sub_block() as inner:
        writer.emit(ast.Pass(), effect=True)
    assert [ast.unparse(part.tree()) for part in writer.block] == ["$1 = $0 + $0"]
    assert (len(inner), writer.effects) == (1, 1)
    with pytest.raises(ValueError, match="the network cannot be written out: outside any layer: no"):
        writer.fail("no")


def test_operations_do_what_they_write():
    writer = Writer()
    ops = Operations()
    connect(writer=writer, ops=ops)
    x = writer.given("x", np.array([1.0, -2.0]))
    y = ops.binary(ast.Mult(), x, 3)
    assert ast.unparse(y.node) == "$0 * 3"
    np.testing.assert_array_equal(y.value, [3, -6])
    assert ops.binary(ast.Add(), 1, 2) == 3
    assert ast.unparse(ops.of_numpy(np.maximum, [y, 0], {}).node) == "np.maximum($0 * 3, 0)"
    assert ops.decide(True) is True
    assert ops.decide(y) is None  # it may be another in the next step
    with pytest.raises(ValueError, match="IndexError"):
        ops.item(x, 2)
    with pytest.raises(ValueError, match="the loop depends on the numbers in the network"):
        ops.settled(x, "the loop")


def test_values_know_how_they_are_written_and_whether_they_vary():
    assert ast.unparse(numpy_name(np.add.reduce)) == "np.add.reduce"
    assert numpy_name(len) is None
    assert ast.unparse(literal(np.float32(0.5))) == "np.float32(0.5)"
    assert literal(object()) is None
    made = Expression(ast.Constant(1), 1, varies=True)
    assert example({"a": [made, 2]}) == {"a": [1, 2]}
    assert varies((1, [made]))
    assert not varies((1, [2]))


def test_the_source_of_a_function_is_found_or_said_to_be_missing():
    assert source_of(np.linalg.norm.__wrapped__ if hasattr(np.linalg.norm, "__wrapped__") else mt.split).body
    with pytest.raises(SourceError, match="cannot be read: write it in a file"):
        source_of(eval("lambda x: x"))


def test_a_lambda_that_decorates_is_found_without_its_whole_file():
    code = plain_form(product).__code__
    text = source._block(linecache.getlines(code.co_filename), code)
    assert [ast.unparse(node) for node in source._beginning(ast.parse(text), code)] == ["lambda a, b: a.dot(b)"]


def test_lambdas_are_told_apart_and_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "functions.py"
    text = "pair = [lambda x: x + 1, lambda x: x * 2,\n    lambda x: (x -  # less\n    3)]\n"
    path.write_text(text + "def named(x):\n    return (\n        x  # itself\n)\n")
    scope = {}
    exec(compile(path.read_text(), path, "exec"), scope)
    texts = [ast.unparse(source_of(function).node) for function in scope["pair"]]
    assert texts == ["lambda x: x + 1", "lambda x: x * 2", "lambda x: x - 3"]
    assert source_of(scope["pair"][2]).comments == {2: "less"}
    named = source_of(scope["named"])
    assert (named.node.lineno, named.comments) == (4, {6: "itself"})
    for changed in ("\n" + path.read_text(), "def (", ""):
        path.write_text(changed)
        with pytest.raises(SourceError, match=r"is not what .*functions\.py says now|cannot be read"):
            source_of(scope["named"])


def test_a_factor_of_one_goes_unless_an_array_of_its_own_is_needed():
    known, (a, *_) = variables(a=np.ones(2), b=np.ones(2), c=np.ones(2))
    known["$0"].given = True
    product = ast.BinOp(a.node, ast.Mult(), ast.Constant(1))
    block = [
        assigned("$1", product, same=a.node),
        assigned("$2", product, same=a.node),
        Statement(ast.AugAssign(ast.Name("$2", ast.Store()), ast.Add(), ast.Constant(1)), effect=True),
        Statement(ast.Return(ast.BinOp(known["$1"].load(), ast.Sub(), known["$2"].load()))),
    ]
    text = [ast.unparse(part.tree()) for part in fold(block, known)]
    assert text == ["$2 = $0 * 1", "$2 += 1", "return $0 - $2"]


def small(**options):
    model = mt.Sequential(mt.Linear(3, 4, rng=0), mt.ReLU(), mt.Linear(4, 2, rng=1))
    return model, mt.CrossEntropyLoss(), mt.Adam(model.parameters(), **options)


X, Y = np.random.default_rng(0).standard_normal((5, 3)), np.array([0, 1, 1, 0, 1])


def test_the_product_says_where_everything_lives():
    model, loss, optimizer = small()
    derived = derive(model, loss, optimizer, X, Y, plain=False)
    kinds = {origin.kind for _, origin in derived.given}
    assert kinds == {"data", "parameter", "option", "flat", "state", "step"}
    owners = [origin.owner for _, origin in derived.given if origin.kind == "parameter"]
    assert all(mine is theirs for mine, theirs in zip(owners, model.parameters(), strict=True))
    assert list(derived.gradients) == ["w2", "b2", "w1", "b1"]
    assert np.shape(derived.value.value) == ()
    assert derived.prediction.value.shape == (5, 2)
    assert any(read.owner is loss and read.key == "reduction" for read in derived.reads)
    assert any(read.owner is model[1] for read in derived.reads)
    assert derived.leftovers == []
    assert model[0].weight.data is not derived.model[0].weight.data


def test_decisions_from_the_data_are_asserts_unless_it_is_plain():
    def asserts(plain):
        derived = derive(*small(), X, Y, plain=plain)
        return [ast.unparse(s.head) for s in derived.forward if isinstance(s.head, ast.Assert)]

    assert not asserts(plain=True)
    assert any(".max() < 2" in text for text in asserts(plain=False))  # classes that there are


def test_without_loss_and_optimizer_it_is_the_forward_pass():
    model = small()[0].eval()
    derived = derive(model, x=X, plain=False)
    assert derived.value is None
    assert derived.update == []
    np.testing.assert_array_equal(derived.prediction.value, model(X))


def test_deriving_leaves_everything_as_it_was():
    model, loss, optimizer = small()
    before = {key: array.copy() for key, array in model.state_dict().items()}
    derive(model, loss, optimizer, X, Y)
    assert all(np.array_equal(array, before[key]) for key, array in model.state_dict().items())
    assert optimizer._groups[0].buffers.steps == [0, 0, 0, 0]
    assert not any(parameter.has_grad for parameter in model.parameters())
