"""What is said of a wrong array: where, by how much, and why; and when nothing is said."""

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study.bits import Difference
from minitorch_np.study.byhand.comparison import WrongArray, described
from minitorch_np.study.byhand.program_mistakes import MISTAKES, Case, mistake_of
from minitorch_np.study.compare import compare
from minitorch_np.study.locations import Location

RNG = np.random.default_rng(0)
A, B, C, BEFORE = (RNG.standard_normal((4, 4)) for _ in range(4))
PLAIN = {
    "name": "c",
    "right": A @ B,
    "weight_before": None,
    "used": {"a": A, "b": B},
    "others": {"a": A, "b": B, "d": C},
    "updated": {},
    "earlier": {},
    "names": {"a": "first", "b": "b", "d": "other"},
    "text": "c = first @ b",
    "late": frozenset(),
    "made_with": lambda changed: changed.get("a", A) @ changed.get("b", B),
}
UPDATE = PLAIN | {"name": "w", "right": BEFORE - 0.1 * A, "weight_before": BEFORE, "used": {}, "others": {}}
UPDATE["made_with"] = lambda changed: None


def case(got, base=PLAIN, **more):
    return Case(**(base | {"got": got} | more))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (case(BEFORE, UPDATE), "it is not updated"),
        (case(BEFORE + 0.1 * A, UPDATE), "its update has the wrong sign"),
        (case(BEFORE - 0.5 * A, UPDATE), "its step is 5 times as long as it should be"),
        (case(BEFORE - 1e-12 * A, UPDATE | {"right": BEFORE - 2e-12 * A}), "its step is 0.5 times as long"),
        (case(BEFORE - 0.1 * A + 0.9 * (BEFORE - C), UPDATE, earlier={"w": C}), "0.9 of the step before in it"),
        (case(A @ C), "made with other (d) where b belongs"),
        (case(A @ C, late=frozenset("b")), "made with other (d) where b belongs: b is made only after it"),
        (case(A @ B.T), "b stands in it the wrong way round"),
        (case(A @ C, updated={"b": C}, others={}), "made with b after its update"),
        (case(A @ C, earlier={"b": C}, others={}), "made with the b of the step before"),
        (case(C, earlier={"c": C}, others={}), "that of the step before: it has to be computed in"),
        (case(A), "it is first (a) unchanged: what comes between the two is left out"),
        (case(A @ B + C, earlier={"c": C}), "the one of the step before is still in it"),
        (case(A @ C, right_after=A @ C, others={}), "what it becomes by the update"),
        (case(A @ C, right_before=A @ C, others={}), "it is that of the step before"),
    ],
)  # fmt: skip
def test_slips(wrong, said):
    assert said in mistake_of(wrong)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_nothing_is_said_that_does_not_explain_every_element(mistake):
    around = {"updated": {"b": C}, "earlier": {"c": C, "b": C, "w": C}, "right_before": C, "right_after": C}
    for got in (RNG.standard_normal((4, 4)), np.zeros((4, 4)), A @ B, np.full((4, 4), np.nan)):
        assert mistake(case(got, **around)) is None
    for got in (RNG.standard_normal((4, 4)), np.full((4, 4), np.nan)):
        assert mistake(case(got, UPDATE | {"updated": {}}, earlier={"w": C})) is None
    spoilt = {"c": A.copy(), "w": BEFORE - 0.5 * A}
    for got, base in ((spoilt["c"], PLAIN), (spoilt["w"], UPDATE)):
        got[0, 0] += 0.01
        assert mistake(case(got, base)) is None


def test_the_name_in_the_line_decides_between_two_explanations():
    same = {"others": {"a": A, "b": B, "d": C, "e": C}, "names": {"d": "d", "e": "e", "a": "a", "b": "b"}}
    assert "made with e where b belongs" in mistake_of(case(A @ C, **same, text="c = a @ e"))
    assert "made with d where b belongs" in mistake_of(case(A @ C, **same, text="c = a @ d"))


def test_a_finding_in_words():
    finding = WrongArray(
        3, 24, "dH[Z < 0] = 1", "dH", "grad_h", Location("1", "ReLU()", "gradient of input"),
        Difference((0, 3), 1.5, 0.0, 12), "2 of 8 elements", False, "it is new",
        ("dH = dA.copy()", "dH[Z < 0] = 0"),
    )  # fmt: skip
    assert finding.where() == "step 3, line 24, dH at [0, 3]: 1.5 where 0.0 belongs, 12 ULPs apart"
    assert str(finding).splitlines() == [
        "line 24: dH[Z < 0] = 1",
        "    dH (grad_h) is the gradient of the input of layer 1, ReLU()",
        "    in step 3 wrong in 2 of 8 elements, first at [0, 3]: 1.5 where 0.0 belongs, 12 ULPs apart",
        "    it is new",
        "    as it should be:",
        "        dH = dA.copy()",
        "        dH[Z < 0] = 0",
    ]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Location("0", "Linear(2, 3)", "weight"), "the weight of layer 0, Linear(2, 3)"),
        (
            Location("0", "Linear(2, 3)", "gradient of weight"),
            "the gradient of the weight of layer 0, Linear(2, 3)",
        ),
        (Location("a.b", "ReLU()", "output"), "the output of layer a.b, ReLU()"),
        (Location("", "MSELoss()", "loss"), "the loss, MSELoss()"),
        (Location("", "MSELoss()", "gradient of output"), "the gradient that MSELoss() starts with"),
        (Location("1", "GELU()", "on the way to the output"), "on the way to the output of layer 1"),
    ],
)
def test_places_in_words(place, said):
    assert described(place) == said


def three_layers(x, y, w1, b1, w2, b2, steps, lr):
    """The second layer's gradients before its forward order, with a mistake in each."""
    for _ in range(steps):
        h = x @ w1 + b1
        a = np.tanh(h)
        y_pred = a @ w2 + b2
        g = 2 * (y_pred - y) / y_pred.size
        db2 = g.mean(axis=0)
        dw2 = a.T @ g
        da = g @ w2.T
        dh = da * (1 - h * h)
        db1 = dh.sum(axis=0)
        dw1 = x.T @ dh
        w1 -= lr * dw1
        b1 -= lr * db1
        w2 -= lr * dw2
        b2 -= lr * db2


def test_findings_come_in_the_order_of_the_program():
    model = mt.Sequential(mt.Linear(4, 5, rng=0), mt.Tanh(), mt.Linear(5, 3, rng=1))
    x, y = RNG.standard_normal((6, 4)), RNG.standard_normal((6, 3))
    found = compare(
        model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1), x, y, steps=3, against=three_layers
    )
    assert [(f.name, f.place.layer, f.step) for f in found.wrong] == [("db2", "2", 0), ("dh", "1", 0)]
    assert "1/N of the right one, N = 6" in found.wrong[0].mistake
    assert "made with h where a (h_tanh) belongs" in found.wrong[1].mistake
    assert found.wrong[1].write == ("dh = da * (1 - a * a)",)
