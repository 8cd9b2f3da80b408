"""The parts of `compare`: recording arrays, one derivative an operation, rules of updates."""

import math

import numpy as np
import pytest

from minitorch_np.study.compare import examined, judge, recorded
from minitorch_np.study.compare.derivatives import RULES, NoDerivative, Reverse, backward
from minitorch_np.study.compare.recorded import ELEMENTWISE, Tape
from minitorch_np.study.compare.recording import ProgramSource
from minitorch_np.study.compare.update_rules import StepSeries, rule_of

RNG = np.random.default_rng(0)
A, B, POSITIVE = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4)), RNG.uniform(0.5, 2, (3, 4))
UNIT, SQUARE, V = RNG.uniform(-0.9, 0.9, (3, 4)), RNG.standard_normal((3, 3)), RNG.standard_normal(4)
INDEX = np.array([2, 0, 2])


@pytest.fixture
def tape():
    made = Tape()
    with recorded.recording_on(made):
        yield made


def leaf(a):
    return recorded.leaf(np.array(a))


def _set(x, v):
    y = x.copy()
    y[1:3] = v[1:3] * 2
    return y


def _put(x, v):
    y = x.copy()
    y[1][:] = v[0]
    return y


def _add_at(x, v):
    y = x.copy()
    np.add.at(y, INDEX, v)
    return y


# One case or more an operation: a function, and the arrays that it is a function of.
CASES = {
    "add": [(lambda a, b: a + b, A, B), (lambda a, b: a + b, A, V), (lambda a, b: a + b, A[:, :1], V)],
    "subtract": [(lambda a, b: a - b, A, V)],
    "multiply": [(lambda a, b: a * b, A, A[:, :1]), (lambda a, b: a * b, A, B)],
    "divide": [(lambda a, b: a / b, A, POSITIVE)],
    "power": [(lambda a: a**3, A), (lambda a, b: a**b, POSITIVE, B), (lambda a: a**-0.5, POSITIVE)],
    "float_power": [(lambda a: np.float_power(a, 2.5), POSITIVE)],
    "maximum": [(np.maximum, A, B), (lambda a: np.maximum(0, a), A)],
    "minimum": [(np.minimum, A, B)],
    "fmax": [(np.fmax, A, B)],
    "fmin": [(np.fmin, A, B)],
    "logaddexp": [(np.logaddexp, A, B)],
    "hypot": [(np.hypot, A, B)],
    "arctan2": [(np.arctan2, A, B)],
    "sum": [(np.sum, A), (lambda a: a.sum(axis=0), A), (lambda a: a.sum(axis=(0, 1), keepdims=True), A)],
    "nansum": [(lambda a: np.nansum(a, axis=1), A)],
    "add.reduce": [(np.add.reduce, A), (lambda a: np.add.reduce(a, axis=1), A)],
    "mean": [(np.mean, A), (lambda a: a.mean(1), A), (lambda a: np.mean(a, axis=0, keepdims=True), A)],
    "average": [(np.average, A)],
    "max": [(np.max, A), (lambda a: a.max(axis=1, keepdims=True), A)],
    "min": [(lambda a: np.min(a, axis=0), A)],
    "maximum.reduce": [(np.maximum.reduce, A)],
    "minimum.reduce": [(np.minimum.reduce, A)],
    "prod": [(lambda a: np.prod(a, axis=1), POSITIVE)],
    "multiply.reduce": [(np.multiply.reduce, POSITIVE)],
    "var": [(np.var, A), (lambda a: a.var(axis=0), A), (lambda a: np.var(a, axis=1, ddof=1), A)],
    "std": [(lambda a: a.std(axis=0, keepdims=True), A)],
    "norm": [(np.linalg.norm, A), (lambda a: np.linalg.norm(a, axis=1, keepdims=True), A)],
    "trace": [(np.trace, SQUARE)],
    "cumsum": [(lambda a: np.cumsum(a, axis=1), A), (np.cumsum, A)],
    "dot": [(np.dot, A, B.T), (np.dot, A, V), (np.dot, V, B.T), (np.dot, V, V + 1), (np.dot, A, np.array(2.0)),
            (np.dot, RNG.random((2, 3, 4)), B.T)],
    "matmul": [(np.matmul, A, B.T), (np.matmul, A, V), (np.matmul, V, B.T),
               (np.matmul, RNG.random((2, 3, 4)), B.T)],
    "inner": [(np.inner, A, B), (np.inner, V, V + 1), (np.inner, A, V)],
    "vdot": [(np.vdot, A, B)],
    "outer": [(np.outer, V, A[0]), (np.outer, V, A[:, 0])],
    "einsum": [(lambda a, b: np.einsum("ij,kj->ik", a, b), A, B), (lambda a: np.einsum("ij->j", a), A)],
    "tensordot": [(lambda a, b: np.tensordot(a, b, ([1], [1])), A, B), (np.tensordot, A, B)],
    "transpose": [(np.transpose, A), (lambda a: a.reshape(3, 2, 2).transpose(2, 0, 1), A)],
    "reshape": [(lambda a: a.reshape(4, -1), A)],
    "ravel": [(np.ravel, A), (lambda a: a.flatten(), A)],
    "squeeze": [(np.squeeze, A[None])],
    "expand_dims": [(lambda a: np.expand_dims(a, 1), A)],
    "copy": [(np.copy, A), (lambda a: a.copy("F"), A)],
    "astype": [(lambda a: a.astype(float), A)],
    "asarray": [(lambda a: recorded.call(np.asarray, a), A)],
    "atleast_1d": [(np.atleast_1d, V)],
    "atleast_2d": [(np.atleast_2d, V)],
    "nan_to_num": [(np.nan_to_num, A)],
    "clip": [(lambda a: np.clip(a, -0.5, 0.5), A)],
    "where": [(lambda a, b: np.where(A > 0, a, b), A, B), (lambda a: np.where(a > 0, a, 0.1 * a), A)],
    "getitem": [(lambda a: a[1:, ::2], A), (lambda a: a[INDEX], A), (lambda a: a[A > 0], A),
                (lambda a: a[2, 1], A)],
    "setitem": [(_set, A, B), (_put, A, B)],
    "add.at": [(_add_at, A, B)],
    "array": [(lambda a, b: recorded.call(np.array, [a, b, a * 2]), A, B)],
    "concatenate": [(lambda a, b: np.concatenate([a, b, np.ones((1, 4))]), A, B)],
    "stack": [(lambda a, b: np.stack([a, b], axis=1), A, B)],
    "pad": [(lambda a: np.pad(a, 1), A), (lambda a: np.pad(a, 1, constant_values=3), A)],
    "append": [(lambda a: np.append(a, 1), V), (lambda a: np.append(a, np.full((3, 1), 2.0), axis=1), A)],
    "insert": [(lambda a: np.insert(a, 0, 1, axis=1), A)],
    "delete": [(lambda a: np.delete(a, 1, axis=1), A)],
    "sort": [(np.sort, A), (lambda a: np.sort(a, axis=0), A)],
    "split": [(lambda a: np.split(a, 2, axis=1)[1], A)],
    ELEMENTWISE: [(lambda a: recorded.call(np.vectorize(math.atan), a), A)],
}  # fmt: skip
DOMAINS = [
    (POSITIVE, "sqrt cbrt reciprocal log log2 log10 log1p"),
    (A, "negative positive square exp exp2 expm1 sin cos sinh cosh tanh arctan arcsinh absolute fabs sinc"),
    (UNIT, "tan arcsin arccos arctanh"),
]
for _domain, _names in DOMAINS:
    CASES |= {name: [(getattr(np, name), _domain)] for name in _names.split()}
MOVING = """
    hstack vstack dstack column_stack roll flip fliplr flipud repeat tile take swapaxes
    moveaxis rollaxis rot90 diag diagonal array_split hsplit vsplit broadcast_to take_along_axis
    ascontiguousarray block tril triu diagflat compress
""".split()
NEVER = {"amax", "amin", "asanyarray", "expit", "erf"}  # other names of the same, and scipy's
NOTHING = {name for name, rule in RULES.items() if rule.__name__ == "_nothing"}


def test_every_rule_has_a_case():
    assert set(RULES) - set(CASES) - set(MOVING) - NEVER - NOTHING == set()


@pytest.mark.parametrize(("name", "case"), [(n, case) for n, cases in CASES.items() for case in cases])
def test_a_derivative_is_that_of_difference_quotients(tape, name, case):
    function, *arrays = case
    inputs = [leaf(a) for a in arrays]
    result = function(*inputs)
    node = tape.node(result)
    assert name in {n.operation for n in tape.nodes}
    upstream = np.random.default_rng(1).standard_normal(node.value.shape)
    reverse = Reverse({node: upstream})
    assert not reverse.unknown
    with recorded.recording_on(None):
        for i, array in enumerate(arrays):
            expected = np.zeros(array.shape)
            for at in np.ndindex(array.shape):
                shifted = []
                for step in (1e-6, -1e-6):
                    moved = [np.array(a) for a in arrays]
                    moved[i][at] += step
                    shifted.append(np.asarray(function(*moved)))
                expected[at] = (upstream * (shifted[0] - shifted[1])).sum() / 2e-6
            found = reverse[inputs[i].node] if inputs[i].node in reverse else np.zeros(array.shape)
            np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-8)


def test_what_has_no_rule_is_unknown_and_not_zero(tape):
    x = leaf(A)
    y = recorded.call(np.linalg.det, leaf(SQUARE))
    with pytest.raises(NoDerivative, match="det"):
        backward(tape.node(y), np.ones(()))
    assert Reverse({tape.node(y * x.sum()): np.ones(())}).unknown == [tape.node(y)]


def test_a_reverse_pass_adds_up_and_stops_at_ends(tape):
    x = leaf(A)
    y = x * 2
    z = (y * y + y).sum()
    reverse = Reverse({tape.node(z): np.ones(())})
    np.testing.assert_allclose(reverse[tape.node(x)], 2 * (4 * A + 1))
    stopped = Reverse({tape.node(z): np.ones(())}, {tape.node(y).index})
    assert tape.node(x) not in stopped


def _matrices(x, w):
    m, n = recorded.call(np.asmatrix, x), recorded.call(np.asmatrix, w)
    row = m[1] * n.T * 0.5 + [[1, 2, 3]] * (m * n.T)
    row[0, 1] = n.sum(axis=1)[2, 0] * 2
    m *= m.T * n
    parts = [row, m.ravel(), n.flatten(), m.mean(0), n.A * m.A, n.A1, n.diagonal(), m.copy() * n.T, n.tolist()]
    return np.concatenate([np.ravel(part) for part in (*parts, *m)])


PLAIN = {
    "products": lambda x, w: x @ w.T + x.dot(w.T),
    "in place": lambda x, w: +_in_place(x, w),
    "numbers": lambda x, w: float(x.sum()) * w + round(float(w.mean()), 3),
    "indices": lambda x, w: x[[0, 2]][:, 1:] * w[x[:, 0] > 0][:1, 1:],
    "lists": lambda x, w: np.array([x[0, 0], 1.0, w[1, 1]]) + sum([x[0, i] for i in range(3)]),
    "a list and a number": lambda x, w: ([1.0, 2.0] - x.sum()) * ([3.0, 4.0] / w.mean()) + (x.sum() - [5, 6]),
    "iteration": lambda x, w: np.array([np.dot(a, b) for a, b in zip(x, w, strict=True)]),
    "float32": lambda x, w: x.astype(np.float32) * np.float32(0.1) + w.astype(np.float32).sum(),
    "matrices": _matrices,
}


def _in_place(x, w):
    y = x.copy()
    y *= 2
    y[1] += w[0]
    row = y[2]
    row -= 1
    np.subtract(y, w, out=y)
    return y


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", PLAIN)
def test_recording_changes_no_bit(tape, name):
    function = PLAIN[name]
    found = function(leaf(A), leaf(B))
    with recorded.recording_on(None):
        expected = function(A.copy(), B.copy())
    got = recorded.plain(recorded.call(np.asarray, found))
    assert got.dtype == np.asarray(expected).dtype
    assert got.tobytes() == np.asarray(expected).tobytes()


def test_a_write_into_a_view_is_seen_in_the_whole(tape):
    x, v = leaf(A), leaf(V)
    x[1][2:] = v[2:]
    reverse = Reverse({tape.node(x.sum()): np.ones(())})
    np.testing.assert_array_equal(reverse[tape.nodes[1]], [0, 0, 1, 1])
    whole = reverse[tape.nodes[0]]
    assert whole[1].tolist() == [1, 1, 0, 0]


def test_numbers_behave_as_numbers(tape):
    x = leaf(A)
    total = x.sum()
    assert isinstance(total, float)
    assert f"{total:.3f}" == f"{A.sum():.3f}"
    assert (total > 0) == (A.sum() > 0)
    assert round(total, 2) == round(A.sum(), 2)
    assert total.shape == ()
    assert hash(total) == hash(float(A.sum()))
    assert list(range(recorded.leaf(3))) == [0, 1, 2]
    assert recorded.call(math.exp, total).node.operation == "exp"


def series(update, steps=5, size=6, penalty=None):
    """Steps of a rule on gradients drawn at random, to which it may add a penalty."""
    rng = np.random.default_rng(2)
    w, state = rng.standard_normal(size), {}
    found = StepSeries([], [], [], [])
    for t in range(1, steps + 1):
        g = rng.standard_normal(size)
        used = g if penalty is None else g + penalty(w)
        change = update(w, used, state, t)
        found.made.append([3 * g, w * g, g + w, used / 7])
        found.gradients.append(g)
        found.changes.append(change)
        found.values.append(w.copy())
        w = w + change
    return [found]


def _momentum(w, g, s, t):
    s["v"] = 0.9 * s.get("v", 0) + g
    return -0.1 * s["v"]


def _nesterov(w, g, s, t):
    before = s.get("v", 0 * g)
    s["v"] = 0.9 * before - 0.1 * g
    return -0.9 * before + 1.9 * s["v"]


def _adam(corrected):
    def update(w, g, s, t):
        s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
        s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
        m, v = (s["m"] / (1 - 0.9**t), s["v"] / (1 - 0.999**t)) if corrected else (s["m"], s["v"])
        return -0.01 * m / (np.sqrt(v) + 1e-8)

    return update


def _rmsprop(w, g, s, t):
    s["v"] = 0.99 * s.get("v", 0) + 0.01 * g * g
    return -0.01 * g / (np.sqrt(s["v"]) + 1e-8)


def _adagrad(w, g, s, t):
    s["v"] = s.get("v", 0) + g * g
    return -0.01 * g / (np.sqrt(s["v"]) + 1e-8)


UPDATES = {
    "SGD(lr=0.1)": lambda w, g, s, t: -0.1 * g,
    "SGD(lr=0.1, weight_decay=0.01)": lambda w, g, s, t: -0.1 * (g + 0.01 * w),
    "SGD(lr=0.1, momentum=0.9)": _momentum,
    "SGD with Nesterov's momentum(lr=0.1, momentum=0.9)": _nesterov,
    "Adam(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-08)": _adam(True),
    "Adam without bias correction(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-08)": _adam(False),
    "RMSprop(lr=0.01, alpha=0.99, eps=1e-08)": _rmsprop,
    "Adagrad(lr=0.01, eps=1e-08)": _adagrad,
}


@pytest.mark.parametrize("name", UPDATES)
def test_a_rule_is_recognised(name):
    assert str(rule_of(series(UPDATES[name]), [1e-8, 0.9, 0.99, 0.999])) == name


def test_a_rule_of_a_gradient_with_a_penalty_is_recognised():
    def recognised(penalty):
        return str(rule_of(series(_adam(True), penalty=penalty), [1e-8, 0.9, 0.999]))

    rule = "Adam(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-08"
    assert recognised(lambda w: 0.5 * np.sign(w)) == f"{rule}, l1_penalty=0.5)"
    assert recognised(lambda w: 0.1 * np.sign(w) + 0.2 * w) == f"{rule}, weight_decay=0.2, l1_penalty=0.1)"
    assert recognised(lambda w: -0.5 * np.sign(w)) == "None"  # no penalty: it rewards large weights
    assert recognised(np.exp) == "None"


def test_noise_is_no_rule():
    rng = np.random.default_rng(3)
    with np.errstate(all="ignore"):
        assert rule_of(series(lambda w, g, s, t: rng.standard_normal(6)), [0.9, 0.999]) is None


NET = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
w1, w2, b = rng.normal(size=(3, 5)), rng.normal(size=(5, 1)), np.zeros((1, 1))
for step in range(5):
    h = np.tanh(x @ w1)
    error = h @ w2 + b - y
    loss = (error ** 2).sum() / 2
    loss += 0.01 * ((w1 ** 2).sum() + (w2 ** 2).sum())
    d = {d}
    g2 = h.T @ d + 0.02 * w2
    gb = {gb}
    dh = {dh}
    g1 = x.T @ dh + 0.02 * w1
    w1 -= 0.01 * g1
    w2 -= 0.01 * g2
    b -= 0.01 * gb
"""


@pytest.mark.parametrize(
    ("changed", "line", "write"),
    [
        ({"gb": "d.mean(axis=0)"}, 13, "gb = d.sum(axis=0)"),  # any number is a multiple of another
        ({"gb": "g2.sum(axis=0)"}, 13, "gb = d.sum(axis=0)"),
        ({"dh": "w2.T * (1 - h ** 2)"}, 14, None),  # the sum of the gradients gb is no loss either
        ({"dh": "d @ w2.T * (h ** 2 - 1)"}, 14, "dh = d @ w2.T * (1 - h ** 2)"),
    ],
)
def test_a_mistake_is_held_against_the_loss_and_the_other_gradients(changed, line, write):
    right = {"d": "error", "gb": "d.sum(axis=0)", "dh": "d @ w2.T * (1 - h ** 2)"}
    assert examined(ProgramSource(NET.format(**right), "<p>", "p"), 20).judged == "right"
    result = examined(ProgramSource(NET.format(**right | changed), "<p>", "p"), 20)
    assert [f.line for f in result.wrong] == [line]
    assert write is None or result.wrong[0].write == (write,)


def test_no_line_is_blamed_where_there_was_no_time_to_try_every_loss(monkeypatch):
    monkeypatch.setattr(judge, "SECONDS", 0.0)
    result = examined(ProgramSource(WRONG_SIGN, "<program>", "program"), 5)
    assert result.judged == "not judged"
    assert not result.findings
    assert "were not tried, as that takes too long: give it less data" in result.reason


WRONG_SIGN = """
import numpy as np
rng = np.random.default_rng(0)
x, y, w = rng.standard_normal((8, 3)), rng.standard_normal((8, 2)), rng.standard_normal((3, 2))
v = rng.standard_normal((2, 2))
for step in range(5):
    h = x @ w
    out = np.tanh(h) @ v
    total = ((out - y) ** 2).mean()
    d = 2 * (out - y) / out.size
    gv = np.tanh(h).T @ d
    gw = x.T @ (d @ v.T * (1 + np.tanh(h) ** 2))
    w -= 0.1 * gw
    v -= 0.1 * gv
"""
