"""Any shape, layout, precision and numbers: right types, no warnings, NaN where it must be, the naive value."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minitorch_np as mt

LOGITS = [0.0, 1.0, -0.5, 2.5, 30.0, -30.0, 1e4, -1e4, np.inf, -np.inf, np.nan]
DTYPES = st.sampled_from(["float64", "float32"])
ROWS = {  # probabilities of 1 to 4 classes, with and without zeros
    1: [[1.0]],
    2: [[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]],
    3: [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]],
    4: [[0.25, 0.25, 0.5, 0.0], [0.125, 0.125, 0.25, 0.5]],
}


@st.composite
def predictions(draw, shapes, elements):
    """An array of these elements: contiguous, transposed, reversed or with gaps."""
    shape, dtype = draw(shapes), draw(DTYPES)
    layout = draw(st.sampled_from(["contiguous", "transposed", "reversed", "gaps"]))
    array = draw(hnp.arrays(dtype, shape, elements=st.sampled_from(elements)))
    if layout == "transposed":
        array = np.asfortranarray(array)
    if layout == "reversed":
        array = np.ascontiguousarray(array[::-1])[::-1]
    return np.repeat(array, 2, axis=-1)[..., ::2] if layout == "gaps" else array


def run(loss, prediction, target):
    """Values and the gradient of their sum; both of the prediction's dtype, the gradient of its shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss._first_call = False  # the numbers drawn here may look like probabilities
        values = loss(prediction, target)
        gradient = loss.backward(np.ones_like(values))
        assert values.dtype == gradient.dtype == prediction.dtype
        assert gradient.shape == prediction.shape
        again = type(loss)(**{k: v for k, v in vars(loss).items() if k[0] != "_"} | {"reduction": "sum"})
        again._first_call = False
        assert np.array_equal(again(prediction, target), values.sum(), equal_nan=True)
        assert np.array_equal(again.backward(), gradient, equal_nan=True)
    return values, gradient


def same(array, expected, dtype):
    np.testing.assert_allclose(array, expected, rtol=1e-5 if dtype == "float32" else 1e-10, atol=1e-5)


flat = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@given(
    x=predictions(flat, LOGITS),
    loss=st.sampled_from(
        [
            (mt.SquaredLoss, {}, lambda d: d**2, lambda d: 2 * d),
            (mt.MSELoss, {}, lambda d: d**2, lambda d: 2 * d),
            (mt.L1Loss, {}, abs, np.sign),
            (mt.HuberLoss, {}, lambda d: np.where(abs(d) < 1, d**2 / 2, abs(d) - 0.5), lambda d: d.clip(-1, 1)),
            (mt.SmoothL1Loss, {"beta": 0.0}, abs, np.sign),
        ]
    ),
)
def test_regression(x, loss):
    make, options, function, derivative = loss
    target = np.full(x.shape, 0.5, x.dtype)
    values, gradient = run(make(reduction="none", **options), x, target)
    same(values, function(x - target), x.dtype)
    same(gradient, derivative(x - target), x.dtype)


@st.composite
def classified(draw):
    """Logits, class indices or probabilities for them, and options."""
    classes, samples = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    more = draw(st.sampled_from([(), (2,), (0,), (2, 3)]))
    x = draw(predictions(st.just((samples, classes, *more)), LOGITS))
    options = {"label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0]))}
    if draw(st.booleans()):
        options["weight"] = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=classes, max_size=classes))
    if draw(st.booleans()):
        indices = st.sampled_from([-100, *range(classes)])
        return x, draw(hnp.arrays("int64", (samples, *more), elements=indices)), options
    rows = [draw(st.sampled_from(ROWS[classes])) for _ in range(int(np.prod((samples, *more))))]
    q = np.array(rows, x.dtype).reshape(samples, *more, classes)
    return x, np.moveaxis(q, -1, 1), options


@given(classified())
def test_cross_entropy(given):
    x, target, options = given
    values, gradient = run(mt.CrossEntropyLoss(reduction="none", **options), x, target)
    smoothing, weight = options["label_smoothing"], np.array(options.get("weight", [1.0] * x.shape[1]))
    for place in np.ndindex(values.shape):
        row, t = (*place[:1], slice(None), *place[1:]), target.dtype.kind == "i" and target[place]
        if t == -100:
            assert values[place] == 0
            assert not gradient[row].any()
            continue
        logits = x[row].astype(float)
        if np.isnan(logits).any() or logits.max() in (np.inf, -np.inf):
            assert np.isnan(values[place])
            assert np.isnan(gradient[row]).all()
            continue
        q = np.eye(x.shape[1])[t] if target.dtype.kind == "i" else target[row]
        smoothed = weight * ((1 - smoothing) * q + smoothing / x.shape[1])
        e = np.exp(logits - logits.max())
        log_p = logits - logits.max() - np.log(e.sum())
        naive = -(smoothed[smoothed > 0] * log_p[smoothed > 0]).sum()
        same(values[place], naive, x.dtype)
        same(gradient[row], e / e.sum() * smoothed.sum() - smoothed, x.dtype)


@given(
    x=predictions(flat, LOGITS), t=st.sampled_from([0.0, 0.25, 1.0]), pos_weight=st.sampled_from([None, 2.0])
)
def test_binary_logits(x, t, pos_weight):
    loss = mt.BCEWithLogitsLoss(reduction="none", pos_weight=pos_weight)
    values, gradient = run(loss, x, np.full(x.shape, t, x.dtype))
    assert np.array_equal(np.isnan(values), np.isnan(x))
    assert np.array_equal(np.isnan(gradient), np.isnan(x))
    r, d = pos_weight or 1, x.astype(float)
    with np.errstate(all="ignore"):
        softplus = np.log1p(np.exp(-abs(d)))
        yes, no = r * t * (np.maximum(-d, 0) + softplus), (1 - t) * (np.maximum(d, 0) + softplus)
        yes, no = (yes if t > 0 else 0 * softplus), (no if t < 1 else 0 * softplus)
        same(values, yes + no, x.dtype)
        same(gradient, (1 - t) / (1 + np.exp(-d)) - r * t / (1 + np.exp(d)), x.dtype)


@given(x=predictions(flat, [0.0, 1.0, 0.5, 0.01, np.nan]), t=st.sampled_from([0.0, 0.25, 1.0]))
def test_binary_probabilities(x, t):
    values, gradient = run(mt.BCELoss(reduction="none"), x, np.full(x.shape, t, x.dtype))
    assert np.array_equal(np.isnan(values), np.isnan(x))
    inside = (x > 0) & (x < 1)
    p = x[inside].astype(float)
    same(values[inside], -(t * np.log(p) + (1 - t) * np.log(1 - p)), x.dtype)
    same(gradient[inside], (1 - t) / (1 - p) - t / p, x.dtype)
    assert (np.abs(gradient[(x == 0) | (x == 1)]) <= 1.01e12).all()


@given(
    x=predictions(flat, [0.0, -1.0, -0.5, -1e4, -np.inf, np.nan]),
    q=st.sampled_from([0.0, 0.25, 1.0]),
    log_target=st.booleans(),
)
def test_divergence(x, q, log_target):
    log_q = np.log(q) if q else -np.inf
    target = np.full(x.shape, log_q if log_target else q, x.dtype)
    values, gradient = run(mt.KLDivLoss("none", log_target=log_target), x, target)
    same(values, q * (log_q - x.astype(float)) if q else np.zeros(x.shape), x.dtype)
    same(gradient, np.full(x.shape, -q), x.dtype)


def test_the_checker_sees_a_wrong_loss():
    class Off(mt.SquaredLoss):
        def derivative(self, prediction, target):
            return np.float64(2) * (prediction - target)

    with pytest.raises(AssertionError):
        run(Off("none"), np.ones(3, "float32"), np.zeros(3, "float32"))
