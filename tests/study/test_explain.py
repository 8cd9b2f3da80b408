import copy
import random
import re

import numpy as np
import pytest
from table.layers import LAYERS
from table.losses import LOSSES
from table.samples import sample

import minitorch_np as mt
from minitorch_np import tutorial
from minitorch_np.derivation.naming import UniqueNames, parameter_names
from minitorch_np.study.explain import explain
from minitorch_np.study.explain.chain import leaves


def lines(text):
    return [line.strip() for line in str(text).splitlines()]


def flat(text):
    """As one line, so that it does not matter where it was wrapped."""
    return " ".join(str(text).split())


@pytest.fixture
def handwritten():
    start = tutorial.problem(batch=7, hidden=5, inputs=11, outputs=3)
    return explain(tutorial.network(start.w1, start.w2), mt.SquaredLoss(), start.x, start.y)


def test_the_names_and_formulas_of_the_tutorial(handwritten):
    text = re.sub(r"  +", "  ", handwritten.text(88))
    assert "N = 7 samples, D_in = 11 inputs, H = 5 hidden, D_out = 3 outputs; float64" in text
    forward, backward = text.split("BACKWARD")
    assert re.findall(r"^ +((?:h|h_relu|y_pred|loss) = .*?)  (.*)", forward, re.MULTILINE) == [
        ("h = x w1", "(N, D_in)(D_in, H) -> (N, H)"),
        ("h_relu = max(h, 0)", "(N, H) -> (N, H)"),
        ("y_pred = h_relu w2", "(N, H)(H, D_out) -> (N, D_out)"),
        ("loss = Σ (y_pred − y)²", "(N, D_out), (N, D_out) -> ()"),
    ]
    assert re.findall(r"^ +(grad_\w+ = .*?)  (.*)", backward, re.MULTILINE) == [
        ("grad_y_pred = 2 (y_pred − y)", "(N, D_out)"),
        ("grad_w2 = h_reluᵀ grad_y_pred", "(H, N)(N, D_out) -> (H, D_out)"),
        ("grad_h_relu = grad_y_pred w2ᵀ", "(N, D_out)(D_out, H) -> (N, H)"),
        ("grad_w1 = xᵀ grad_h", "(D_in, N)(N, H) -> (D_in, H)"),
    ]
    assert "grad_h = grad_h_relu · dh_relu/dh" in flat(backward)
    assert "dh_relu/dh = 0 where h < 0 and 1 elsewhere" in backward
    assert "grad_x = grad_h w1ᵀ is left out" in backward
    assert "b1" not in text.replace("db1", "")


def test_the_reason_is_the_shapes_and_the_axis_that_vanishes(handwritten):
    said = lines(handwritten)
    at = said.index("By the shapes, grad_w2 (H, D_out) has to come out:")
    assert [re.sub(r"  +", "  ", line) for line in said[at + 1 : at + 4]] == [
        "h_reluᵀ grad_y_pred  (H, N)(N, D_out) -> (H, D_out)  as w2: this one",
        "grad_y_predᵀ h_relu  (D_out, N)(N, H) -> (D_out, H)  the transpose of it",
        "h_relu grad_y_pred  (N, H)(N, D_out)  no: H meets N",
    ]
    text = flat(handwritten)
    assert "vanishes is N: the sum over all N samples, since they all use the same w2." in text
    assert "vanishes is D_out: the sum over the outputs, since every one of h_relu goes into all" in text
    assert "As grad_w2: N vanishes, the sum over all N samples, since they all use the same w1." in text
    assert "By the numbers alone" not in text


def test_the_step_that_one_skips_and_the_chain_rule(handwritten):
    text = flat(handwritten)
    for said in (
        "grad_c · dc/da, the sum over all numbers of c.",
        "y_pred[n,j] = Σ_i h_relu[n,i] w2[i,j], so dy_pred[n,j]/dw2[i,j] = h_relu[n,i].",
        "Chain rule: grad_w2[i,j] = Σ_n grad_y_pred[n,j] · dy_pred[n,j]/dw2[i,j], over all",
        "so dy_pred[n,j]/dh_relu[n,i] = w2[i,j].",
        "Chain rule: grad_h_relu[n,i] = Σ_j grad_y_pred[n,j] · dy_pred[n,j]/dh_relu[n,i], over all",
        "By the chain rule: h_relu[i] comes from h[i] alone",
        "d² with d = y_pred − y; by the chain rule its derivative is 2 d · 1",
    ):
        assert said in text, said
    biased = flat(explain(mt.Linear(4, 3, rng=0), sample((5, 4))))
    assert "y_pred[n,j] = Σ_i x[n,i] w[i,j] + b[j], so" in biased


def test_costs_and_what_is_kept(handwritten):
    text = flat(handwritten)
    assert "multiply-adds N·D_in·H = 385" in text
    assert "H·N·D_out = 105 multiply-adds" in text
    assert "490 multiply-adds forward." in text  # 7·11·5 + 7·5·3
    assert "595 multiply-adds in the matrix products above" in text  # 105 + 105 + 385
    assert "learns w1 (D_in, H): 55 numbers, 440 B" in text
    assert "saves h (280 B), h_relu (280 B)" in text
    assert "saves h_relu (counted above)" in text
    assert f"{8 * (7 * 11 + 7 * 5 * 2 + 7 * 3 * 2) / 1000:.1f} kB saved for the backward pass" in text


def test_one_element_worked_out_by_hand():
    """x = [[1, 2], [3, -1]], w1 = [[1], [2]], so h = [[5], [1]]; w2 = [[3]], y_pred = [[15], [3]]."""
    model = tutorial.network(np.array([[1.0], [2.0]]), np.array([[3.0]]))
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[14.0], [5.0]])
    text = flat(explain(model, mt.SquaredLoss(), x, y, numbers=True))
    assert "'sum' added up: 5 " in text  # 1² + (−2)²
    assert "grad_y_pred = [[ 2.] [-4.]]" in text
    assert "grad_w2[0, 0] = 5·2 + 1·(-4) = 6, as computed" in text
    assert "grad_h_relu[1, 0] = (-4)·3 = -12, as computed" in text
    assert "grad_h[1, 0] = (-12)·1 = -12, as computed" in text
    assert "grad_w1[0, 0] = 1·6 + 3·(-12) = -30, as computed" in text
    assert "h_relu = [[5.] [1.]]" in text


def test_a_bias_is_summed_over_the_batch():
    layer = mt.Linear(2, 1, rng=0)
    text = flat(explain(layer, mt.L1Loss(), np.ones((9, 2)), np.arange(9.0).reshape(9, 1), numbers=True))
    assert "y_pred = x w + b" in text
    assert "grad_b = Σ_n grad_y_pred[n] (N, D_out) -> (D_out,)" in text
    assert "b was broadcast over N, an axis that it does not have; so backward sums over N." in text
    assert re.search(r"grad_b\[0\] = .* \+ … 5 more … \+ \(-0.1111\) = -1, as computed", text)
    assert "grad_x = grad_y_pred wᵀ" in text  # a single layer returns it


def test_more_terms_than_one_reads_and_large_arrays_are_cropped():
    text = str(explain(mt.Linear(100, 3, rng=0), sample((50, 100)), numbers=True))
    assert "… 46 more …" in text
    assert max(map(len, text.splitlines())) <= 88
    assert len(text.splitlines()) < 100


def test_where_sizes_coincide_the_axes_decide():
    model = mt.Sequential(mt.Linear(4, 4, bias=False, rng=0), mt.ReLU(), mt.Linear(4, 6, bias=False, rng=1))
    text = flat(explain(model, sample((4, 4))))
    assert "N = 4 samples, D_in = 4 inputs, H = 4 hidden, D_out = 6 outputs" in text
    w2 = text[text.index("grad_w2 =") : text.index("grad_h_relu = grad_y_pred w2ᵀ")]
    assert "By the numbers alone h_relu grad_y_pred would fit too, since H = N = 4" in w2
    w1 = text[text.index("grad_w1 =") :]
    assert "By the numbers alone 7 more of the 8 orders would fit too, since D_in = N = H = 4" in w1
    assert "By the numbers" not in flat(explain(model, sample((5, 4)))).split("grad_h_relu = grad")[0]


def test_axes_of_images_are_called_what_they_are():
    model = mt.Sequential(
        mt.Conv2d(1, 4, 3, padding=1, rng=0), mt.ReLU(), mt.MaxPool2d(2), mt.Flatten(), mt.Linear(16, 3, rng=1)
    )
    text = flat(explain(model, sample((5, 1, 4, 4))))
    sizes = "N = 5 samples, C1 = 1 channels, height1 = 4, width1 = 4, C2 = 4 channels, height2 = 2, width2 = 2,"
    assert sizes in text
    assert "h1 = Σ_cij x[n,c,sh+di−p,sw+dj−p] w1[o,c,i,j] + b1[o]" in text
    assert "(N, C1, height1, width1) -> (N, C2, height1, width1)" in text  # what a padded kernel keeps
    assert "learns w1 (C2, 1, 3, 3): 36 numbers" in text
    assert "(N, C2, height1, width1) -> (N, C2, height2, width2)" in text
    assert "grad_b1[o] = Σ_nhw grad_h1[n,o,h,w]. grad_x is left out: nobody needs it to train." in text
    assert "dx[n,c" not in text
    assert "(N, F)(F, D_out) -> (N, D_out)" in text
    sequences = mt.Sequential(mt.Conv1d(2, 3, 3, rng=0), mt.Tanh())
    assert "N = 5 samples, C1 = 2 channels, T1 = 6 steps, C2 = 3 channels, T2 = 4 steps" in flat(
        explain(sequences, sample((5, 2, 6)))
    )


def test_deeper_networks_are_numbered_and_nested_ones_are_one_chain():
    body = mt.Sequential({"first": mt.Linear(4, 5, rng=0), "act": mt.Tanh()})
    model = mt.Sequential(body, mt.Linear(5, 6, rng=1), mt.GELU(), mt.Linear(6, 2, rng=2), mt.LogSoftmax())
    text = str(explain(model, mt.NLLLoss(), sample((3, 4)), np.array([0, 1, 1])))
    sizes = "N = 3 samples, D_in = 4 inputs, H1 = 5 hidden, H2 = 6 hidden, D_out = 2 classes; float64"
    assert sizes in flat(text)
    for formula in ("h1 = x w1 + b1", "h1_tanh = tanh(h1)", "h2 = h1_tanh w2 + b2", "h3 = h2_gelu w3 + b3"):
        assert formula in text
    assert "\n0.first  Linear(4, 5)\n" in text
    assert "grad_h3[j] = grad_y_pred[j]" in text
    assert "(N, D_out), (N,) -> ()" in text
    assert text.count("By the shapes, ") == 2  # the reasons once, not for each Linear


def test_more_axes_are_taken_as_rows_and_a_single_sample_as_one():
    layer = mt.Linear(4, 3, bias=False, rng=0)
    text = flat(explain(layer, sample((2, 5, 4))))
    assert "y_pred = x w (N·d, D_in)(D_in, D_out) -> (N·d, D_out)" in text
    assert "grad_w = xᵀ grad_y_pred (D_in, N·d)(N·d, D_out) -> (D_in, D_out)" in text
    assert "x (N, d, D_in) as rows (N·d, D_in)" in text
    assert "D_in·N·d·D_out = 120 multiply-adds" in text
    text = flat(explain(layer, sample((4,))))
    assert "(D_in, 1)(1, D_out) -> (D_in, D_out)" in text
    assert "D_in·1·D_out = 12 multiply-adds" in text


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_can_be_explained(name):
    case = LAYERS[name]
    for dtype in ("float64", "float32"):
        layer = case.make(dtype)
        explanation = explain(layer, case.sample(dtype), numbers=True)
        text = flat(explanation)
        assert f"; {dtype}" in text
        assert "Its forward:" not in text
        assert "Its docstring has no formula" not in text
        assert "BUT" not in text
        assert "but what was computed" not in text
        assert "?" not in text
        assert "Raises" not in text


DRAWN = [pytest.param(n, marks=[pytest.mark.slow] if i % 6 else []) for i, n in enumerate(LAYERS)]


@pytest.mark.parametrize("name", DRAWN)
def test_every_layer_can_be_drawn(name):
    for dtype in ("float64", "float32"):
        explain(LAYERS[name].make(dtype), LAYERS[name].sample(dtype), numbers=True).plot()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_can_be_explained(name):
    case = LOSSES[name]
    text = flat(explain(mt.Identity(), case.make(), case.prediction, case.target, numbers=True))
    loss = case.make()
    value = loss(case.prediction, case.target)
    assert f"{loss!r}" in text
    if loss.reduction == "none":
        assert "'none' all values as they are; backward starts as if they were added up" in text
    else:
        assert f": {float(value):.6g}" in text
    assert "Its derivative:" not in text
    assert "prediction)" not in text  # by its name in the network


def test_losses_in_the_names_of_the_network():
    x, yes = sample((3, 2)), np.ones((3, 2))
    text = flat(explain(mt.Sigmoid(), mt.BCELoss(), x, yes))
    assert "loss = mean of −w (y log y_pred + (1 − y) log(1 − y_pred)), for probabilities y_pred and" in text
    assert "grad_y_pred = (softmax(y_pred) − onehot(y)) / number of targets (N, D_in) Of −log p_y" in flat(
        explain(mt.Tanh(), mt.CrossEntropyLoss(), x, np.array([0, 1, 1]))
    )
    text = flat(explain(mt.LogSoftmax(), mt.KLDivLoss(), x, yes / 2))
    assert "log p and a target q" in text
    assert "only −q log p depends on it" in text


def test_values_that_are_not_reduced_start_as_if_added_up():
    x, y = np.array([[1.0, 2.0]]), np.array([[0.5, 4.0]])
    text = flat(explain(mt.Identity(), mt.SquaredLoss("none"), x, y, numbers=True))
    assert "grad_y_pred = [[ 1. -4.]]" in text


def test_a_loss_without_a_docstring():
    class Cubed(mt.Loss):
        def function(self, prediction, target):
            return (prediction - target) ** 3

        def derivative(self, prediction, target):
            return 3 * (prediction - target) ** 2

    text = flat(explain(mt.Tanh(), Cubed(), sample((3, 2)), sample((3, 2), seed=1)))
    assert (
        "loss is computed from y_pred and y (N, D_out), (N, D_out) -> () Its function: return"
        in text.replace("D_in", "D_out")
    )
    assert "Its derivative: return" in text


@pytest.mark.parametrize("name", sorted(set(mt.losses.__all__) - {"Loss"}))
def test_every_loss_says_what_its_gradient_is_and_why(name):
    loss = getattr(mt.losses, name)()
    x = sample((3, 2))
    classes, probabilities = np.array([0, 1, 1]), np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    target = classes if name in ("CrossEntropyLoss", "NLLLoss") else probabilities
    before = {"BCELoss": mt.Sigmoid(), "NLLLoss": mt.LogSoftmax(), "KLDivLoss": mt.LogSoftmax()}
    text = flat(explain(before.get(name, mt.Identity()), loss, x, target))
    _, _, said = text.partition("the sum over all numbers of c.")
    assert re.search(r"grad_y_pred = \S+.*? \(N, D_in\)", said)
    assert "derivative" in said or "d(−log" in said


def test_lines_of_its_own_are_told_in_the_names_of_the_network():
    class Scale(mt.Layer):
        def __init__(self, n):
            super().__init__()
            self.gain = mt.Parameter(np.ones(n))

        def forward(self, v):
            self.kept = v
            return v * self.gain.data

        def backward(self, dout):
            self.gain.add_grad((dout * self.kept).sum(axis=0))
            return dout * self.gain.data

    model = mt.Sequential(mt.Linear(4, 3, rng=0), mt.Tanh(), Scale(3), mt.Linear(3, 2, rng=1))
    text = flat(explain(model, mt.MSELoss(), sample((5, 4)), sample((5, 2))))
    assert "return v * self.gain.data Here v is h_tanh and self.gain is gain2." in text
    assert "return dout * self.gain.data Here dout is grad_h_tanh_scale and self.gain is gain2." in text


def test_formulas_of_another_reduction_than_the_docstrings_say_so():
    x, y = sample((3, 2)), sample((3, 2), seed=1)
    said = "(the formulas are those of the docstring, for 'mean')"
    assert said in flat(explain(mt.Tanh(), mt.L1Loss("sum"), x, y))
    assert "(the formulas" not in flat(explain(mt.Tanh(), mt.L1Loss(), x, y))
    assert "added up and divided by 6, the gradient too" in flat(explain(mt.Tanh(), mt.L1Loss(), x, y))


class Bare(mt.Layer):
    def __init__(self):
        self.weight = mt.Parameter(np.ones((4, 3)))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data

    def backward(self, dy):
        self.weight.add_grad(self.x.T @ dy)
        return dy @ self.weight.data.T


class Told(Bare):
    """y = x W.

    Shapes: x (N, size) -> y (N, features), weight W (size, features).
    Backward: dW = x.T @ dy.
    """

    def forward(self, x):
        return super().forward(x)

    def backward(self, dy):
        return super().backward(dy)


class Untrue(Told):
    """y = x W.

    Shapes: x (N, size) -> y (N, features), weight W (size, features).
    Backward: dW = xᵀ dy.
    """

    def backward(self, dy):
        dx = super().backward(dy)
        self.weight.grad *= 2
        return dx


def test_a_layer_without_a_docstring_is_not_invented_upon():
    text = flat(explain(mt.Sequential(Bare(), mt.Tanh()), sample((5, 4)), numbers=True))
    assert "h is computed from x (N, D_in) -> (N, D_out) Its forward: " in text
    assert "learns w (4, 3): 12 numbers, 96 B" in text
    assert "saves x (160 B)" in text
    assert "multiply-adds not said" in text
    assert "Its docstring has no formula for grad_w (4, 3)" in text
    assert "grad_w = [[" in text
    assert "ᵀ" not in text


def test_a_docstring_of_ones_own_is_enough_and_checked():
    text = flat(explain(Told(), sample((5, 4)), numbers=True))
    assert "y_pred = x w (N, D_in)(D_in, D_out) -> (N, D_out)" in text
    assert "grad_w = xᵀ grad_y_pred (D_in, N)(N, D_out) -> (D_in, D_out)" in text
    assert "Its docstring has no formula for grad_x (N, D_in)" in text
    assert "BUT" not in text
    text = flat(explain(Untrue(), sample((5, 4)), numbers=True))
    assert "BUT backward computed something else for grad_w than this formula" in text
    assert "but what was computed is" in text


def test_what_a_subclass_computes_otherwise_is_not_said_in_the_words_of_its_base():
    class Halved(mt.Linear):
        def backward(self, dy):
            return super().backward(dy / 2)

    class Quiet(mt.Tanh):
        def derivative(self, x, y):
            return 2 * (1 - y * y)

    class Smaller(mt.Linear):
        def __init__(self):
            super().__init__(4, 3, rng=0)

    text = flat(explain(mt.Sequential(Halved(4, 3), Quiet()), sample((5, 4))))
    assert "xᵀ" not in text
    assert "y_pred = tanh" not in text
    assert "Its derivative: return 2 * (1 - y * y)" in text
    assert "grad_h = grad_y_pred · dy_pred/dh" in text  # true of every activation
    assert "grad_w = xᵀ grad_y_pred" in flat(explain(Smaller(), sample((5, 4))))


def test_a_docstring_with_wrong_shapes_and_sums_is_not_believed():
    class Sliced(mt.Layer):
        """y = all but one of x.

        Shapes: x (N, size) -> y (N, size).
        """

        def forward(self, x):
            return x[:, 1:]

        def backward(self, dy):
            return np.pad(dy, ((0, 0), (1, 0)))

    class Averaged(mt.Linear):
        """y = x W + b.

        Shapes: x (N, in) -> y (N, out), weight W (in, out), bias b (out,).
        Backward: db = Σ_n dy_n.
        """

        def backward(self, dy):
            dx = super().backward(dy)
            self.bias.grad /= len(dy)
            return dx

    assert "(N, D_in) -> (N, D_out)" in flat(explain(Sliced(), sample((5, 4))))
    text = flat(explain(Averaged(4, 3, rng=0), sample((5, 4))))
    assert "BUT backward computed something else for grad_b than" in text
    assert "Its docstring has no formula for grad_w (D_in, D_out) and grad_x (N, D_in)" in text


def test_axes_of_a_layer_that_changes_their_number():
    class Flatten(mt.Layer):
        def forward(self, x):
            self.shape = x.shape
            return x.reshape(len(x), -1)

        def backward(self, dy):
            return dy.reshape(self.shape)

    text = flat(explain(mt.Sequential(Flatten(), mt.Linear(6, 3, rng=0)), sample((5, 2, 3))))
    assert "N = 5 samples, d = 2, D_in = 3 inputs, H = 6 hidden, D_out = 3 outputs" in text
    assert "(N, d, D_in) -> (N, H)" in text
    assert "y_pred = h w + b (N, H)(H, D_out) -> (N, D_out)" in text
    assert "0 Flatten(...)" in text or "0 Flatten()" in text
    assert "saves nothing" in text


def test_what_is_kept_is_what_forward_put_there():
    noisy = Noisy()
    assert "saves nothing" in flat(explain(noisy, sample((5, 4))))  # its numbers were there before
    assert "saves a part of x (80 B), s (5, 2) (80 B)" in flat(explain(mt.GLU(), sample((5, 4))))


def test_a_network_that_computes_otherwise_than_a_sequential_is_one_layer():
    class Shifted(mt.Sequential):
        """y = f(x) + 1."""

        def forward(self, x):
            return super().forward(x) + 1

    class Scaled(mt.Sequential):
        """y = 2 f(x)."""

        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, dy):
            return super().backward(2 * dy)

    text = flat(explain(mt.Sequential(Scaled(mt.Linear(4, 3, rng=0)), mt.Tanh()), sample((5, 4))))
    assert "h = 2 f(x)" in text
    assert "learns w (4, 3)" in text
    assert "y_pred = f(x) + 1" in flat(explain(Shifted(mt.Linear(4, 3, rng=0)), sample((5, 4))))


def test_activations_of_two_functions_and_containers_of_ones_own():
    class Residual(mt.Layer):
        """y = x + f(x)."""

        def __init__(self, inner):
            self.inner = inner

        def forward(self, x):
            return x + self.inner(x)

        def backward(self, dy):
            return dy + self.inner.backward(dy)

    model = mt.Sequential(Residual(mt.Linear(4, 4, rng=0)), mt.Activation.of(np.sin, np.cos))
    text = flat(explain(model, sample((3, 4))))
    assert "h = x + f(x)" in text
    assert "learns w (4, 4): 16 numbers" in text
    assert "saves x (96 B)" in text
    assert "y_pred = function(h)" in text


@pytest.mark.parametrize("shape", [(1, 4), (0, 4)])
def test_a_batch_of_one_and_an_empty_one(shape):
    model = mt.Sequential(mt.Linear(4, 3, rng=0), mt.ReLU(), mt.Linear(3, 2, rng=1))
    explanation = explain(model, mt.SquaredLoss(), np.ones(shape), np.ones((shape[0], 2)), numbers=True)
    assert f"N = {shape[0]} samples" in str(explanation)
    explanation.plot()
    empty = explain(mt.Sequential(), np.ones(shape))
    assert f"N = {shape[0]} samples, D_in = 4 inputs" in str(empty)
    empty.plot()


class Noisy(mt.Layer):
    """Everything that a run could change: generators, running numbers, lists."""

    def __init__(self):
        self.rng, self.random, self.mean, self.seen = (
            np.random.default_rng(0),
            random.Random(0),
            np.zeros(4),
            [],
        )

    def forward(self, x):
        self.mean += self.rng.random(4) + self.random.random()
        self.seen.append(len(x))
        return x * self.mean

    def backward(self, dy):
        return dy * self.mean


def test_the_model_is_as_before_to_the_bit():
    noisy, first = Noisy(), mt.Linear(4, 3, rng=0)
    model = mt.Sequential(noisy, first, mt.Tanh())
    x, y = sample((5, 4)), sample((5, 3), seed=1)
    loss = mt.SquaredLoss()
    dy = [loss(model(x), y), loss.backward()][1]
    model.backward(dy)
    loss(model(x), y)
    before = copy.deepcopy((model, loss)), first._saved, loss._saved
    given = x.copy(), y.copy()
    explain(model, loss, x, y, numbers=True).plot()
    (as_it_was, _), saved, loss_saved = before
    assert first._saved is saved
    assert loss._saved is loss_saved
    for ours, theirs in zip(model.parameters(), as_it_was.parameters(), strict=True):
        assert (ours.data.tobytes(), ours.grad.tobytes()) == (theirs.data.tobytes(), theirs.grad.tobytes())
        assert ours.has_grad == theirs.has_grad
    was = as_it_was[0]
    assert noisy.rng.bit_generator.state == was.rng.bit_generator.state
    assert noisy.random.getstate() == was.random.getstate()
    assert noisy.mean.tobytes() == was.mean.tobytes()
    assert noisy.seen == was.seen
    assert (x.tobytes(), y.tobytes()) == (given[0].tobytes(), given[1].tobytes())
    assert "forward" not in vars(first)
    model.backward(loss.backward())  # what was saved is still there


def test_gradients_that_wait_for_a_step_are_not_added_to_the_explained_ones():
    layer = mt.Linear(2, 1, bias=False, rng=0)
    layer(np.ones((3, 2)))
    layer.backward(np.ones((3, 1)))
    assert "BUT" not in flat(explain(layer, mt.SquaredLoss(), sample((3, 2)), sample((3, 1))))


def test_width_of_the_terminal(monkeypatch):
    layer = mt.Sequential(mt.Linear(4, 3, rng=0), mt.GELU())
    explanation = explain(layer, sample((5, 4)))
    for columns, width in ((70, 70), (20, 60), (500, 100)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert str(explanation) == explanation.text(width)
        assert width - 20 < max(map(len, str(explanation).splitlines())) <= width


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((np.tanh, np.ones((2, 3))), TypeError, "explain expects a layer or a network, got <ufunc 'tanh'>"),
        (
            (mt.Tanh(), mt.Tanh(), np.ones((2, 3)), np.ones((2, 3))),
            TypeError,
            r"a loss such as SquaredLoss\(\)",
        ),
        ((mt.Tanh(), np.ones((2, 3)), np.ones((2, 3))), ValueError, "expects a loss for the target y"),
        ((mt.Tanh(), mt.MSELoss(), np.ones((2, 3))), ValueError, "expects y, the target of the loss"),
        (
            (mt.Tanh(), np.ones(2), np.ones(2), mt.MSELoss()),
            TypeError,
            r"another order: explain\(model, loss, x, y\)",
        ),
        ((mt.Linear(4, 3), np.ones((2, 3))), ValueError, r"Linear\(4, 3\) expects x of shape \(N, 4\)"),
    ],
)
def test_wrong_arguments(arguments, error, said):
    with pytest.raises(error, match=said):
        explain(*arguments)


def test_a_letter_with_a_hat_is_another_array():
    model = mt.Sequential(mt.Linear(3, 4, rng=0), mt.Tanh(), mt.LayerNorm(4))
    text = flat(explain(model, sample((5, 3))))
    assert "x̂ = (h_tanh − mean) / √(var + eps)" in text
    assert "(g − mean(g) − x̂ mean(g x̂))" in text


def test_the_products_of_the_layers_inside_are_counted():
    text = flat(
        explain(mt.Residual(mt.Sequential(mt.Linear(4, 6), mt.ReLU(), mt.Linear(6, 4))), sample((5, 4)))
    )
    assert "N·D_in·H = 120" in text
    assert "240 multiply-adds forward." in text

    class Own(mt.Residual):
        def forward(self, x):
            return super().forward(x)

    text = flat(explain(Own(mt.Sequential(mt.Linear(4, 6), mt.ReLU(), mt.Linear(6, 4))), sample((5, 4))))
    assert "multiply-adds 240 " in text
    layer = mt.MultiheadAttention(4, 2)
    assert f"{mt.summary(layer, (2, 3, 4)).multiply_adds} multiply-adds forward" in flat(
        explain(layer, sample((2, 3, 4)))
    )


def test_axes_of_sequences_stay_when_they_change_places():
    model = mt.Sequential(
        mt.Embedding(7, 4, rng=0), mt.GRU(4, 3, rng=0), mt.Linear(3, 7, rng=0), mt.Transpose(1, 2)
    )
    text = flat(explain(model, mt.CrossEntropyLoss(), np.zeros((2, 5), int), np.zeros((2, 5), int)))
    assert "N = 2 samples, T = 5 steps, F = 4 features, H = 3 hidden, D_out = 7 classes; float64" in text
    assert "(N, T, D_out) -> (N, D_out, T)" in text
    assert "(N·T, H)(H, D_out) -> (N·T, D_out)" in text
    assert "onehot(y)) / number of targets (N, D_out, T)" in text


@pytest.mark.parametrize(
    ("layers", "sizes", "prediction"),
    [
        ([mt.Linear(3, 7), mt.Flatten(0, 1)], "H = 3 hidden, D_out = 7", "(N·T, D_out)"),
        ([mt.Linear(3, 7), mt.Select(1, -1)], "H = 3 hidden, D_out = 7", "(N, D_out)"),
        ([mt.Mean(1), mt.Linear(3, 7)], "H = 3 hidden, D_out = 7", "(N, D_out)"),
        ([mt.Flatten(), mt.Linear(15, 7)], "H = 3 hidden, F2 = 15 features, D_out = 7", "(N, D_out)"),
    ],
)
def test_axes_that_are_joined_or_left_out(layers, sizes, prediction):
    model = mt.Sequential(mt.Embedding(7, 4, rng=0), mt.LSTM(4, 3, rng=0), *layers)
    y = np.zeros(model(np.zeros((2, 5), int)).shape[0], int)
    text = flat(explain(model, mt.CrossEntropyLoss(), np.zeros((2, 5), int), y))
    features = "F1" if "F2" in sizes else "F"
    assert f"N = 2 samples, T = 5 steps, {features} = 4 features, {sizes} classes; float64" in text
    assert f"number of targets {prediction} Of" in text


def test_axes_are_called_as_the_next_layer_calls_them():
    model = mt.Sequential(mt.Unflatten(1, (1, 4, 4)), mt.Conv2d(1, 2, 3), mt.Flatten(), mt.Linear(8, 3))
    sizes = (
        "D_in = 16 inputs, C1 = 1 channels, height1 = 4, width1 = 4, C2 = 2 channels, height2 = 2, width2 = 2"
    )
    assert f"{sizes}, F = 8 features, D_out = 3 outputs" in flat(explain(model, sample((5, 16))))


def test_formulas_are_those_of_the_options():
    text = flat(explain(mt.Conv2d(1, 2, 3, bias=False), sample((1, 1, 5, 5))))
    assert "w[o,c,i,j] at each place" in text
    assert "b[o]" not in text
    text = flat(explain(mt.LayerNorm(4, bias=False), sample((2, 4))))
    assert "· w, mean and variance" in text
    assert "db" not in text
    assert "· w" not in flat(explain(mt.BatchNorm1d(3, affine=False), sample((4, 3))))
    assert "weight_hh_l0 (16, 4): 64 numbers" in flat(
        explain(mt.LSTM(3, 4, bidirectional=True, rng=0), sample((2, 3, 3)))
    )


@pytest.mark.parametrize(
    ("layer", "shape", "group"),
    [
        (mt.BatchNorm1d(4), (3, 4), "feature"),
        (mt.BatchNorm2d(4), (3, 4, 2, 2), "channel"),
        (mt.LayerNorm(4), (3, 4), "sample"),
        (mt.GroupNorm(2, 4), (3, 4, 2), "group"),
    ],
)
def test_normalisations_say_what_they_save_and_why_two_means_are_taken_off(layer, shape, group):
    text = flat(explain(layer, sample(shape)))
    assert re.search(r"saves normal \([\d, ]+\) \(\d+ B\), scale \(", text)
    assert "x̂ = (x − mean) / √(var + eps) is saved as normal, 1 / √(var + eps) as scale" in text
    assert f"x[i] moves, through mean and var, all numbers of its {group}: mean(" in text
    assert f"What is left neither shifts all x of a {group} nor scales them" in text


def test_what_the_branches_give_back_adds_up():
    """x = [[1, −2]]: h1 = 2·1 + 3·(−2) = −4 and h2 = 1 − 2 = −1, so y_pred = −5 and dy = 2 (−5 + 7) = 4."""
    branch, shortcut = (mt.Linear(2, 1, bias=False) for _ in range(2))
    branch.weight.data, shortcut.weight.data = np.array([[2.0], [3.0]]), np.array([[1.0], [1.0]])
    model = mt.Sequential(mt.Identity(), mt.Residual(branch, shortcut))
    text = flat(explain(model, mt.SquaredLoss(), np.array([[1.0, -2.0]]), np.array([[-7.0]]), numbers=True))
    assert "1 Residual x_identity (N, D_in) goes into each of 2 branches." in text
    assert "y_pred = h1 + h2 (N, D_out), (N, D_out) -> (N, D_out) y_pred = [[-5.]]" in text
    assert "grad_h1 = grad_h2 = grad_y_pred (N, D_out)" in text
    assert (
        "y_pred = h1 + h2, so dy_pred/dh1 and dy_pred/dh2 are 1: a sum hands grad_y_pred on as it is." in text
    )
    assert "branch layer: │ 1.layer Linear(2, 1, bias=False)" in text
    assert "grad_x_identity_layer = grad_h1 w1ᵀ" in text
    assert "grad_x_identity = grad_x_identity_layer + grad_x_identity_shortcut (N, D_in)" in text
    assert "grad_x_identity[0, 1] = 12 + 4 = 16, as computed" in text  # 4 times 3 and 4 times 1
    assert "branch that it goes into: the chain rule's sum goes over the branches too." in text


def test_past_the_layer_the_gradient_comes_back_as_it_is():
    model = mt.Sequential(
        mt.Linear(4, 6, rng=0), *(mt.Residual(mt.Sequential(mt.Linear(6, 6, rng=i), mt.Tanh())) for i in (1, 2))
    )
    text = flat(explain(model, mt.MSELoss(), sample((5, 4)), sample((5, 6))))
    assert "h1 (N, D_out) goes through the layer and past it." in text
    assert "h3 = h2_tanh + h1 (N, D_out), (N, D_out) -> (N, D_out)" in text  # one axis: they are added
    assert "grad_h2_tanh = grad_h3" in text
    assert "grad_h1 = grad_h1_layer + grad_h3 (N, D_out)" in text
    assert text.count("which is why deep stacks of these train") == 1
    assert text.rindex("1.layer.1 Tanh()") < text.rindex("1.layer.0 Linear(6, 6)")  # backward from the end
    assert "As grad_h3: h1 goes into every branch." in text


def test_of_what_stands_side_by_side_each_branch_gets_its_part():
    branches = {"one": mt.Conv2d(2, 3, 1, rng=0), "two": mt.Conv2d(2, 5, 3, padding=1, rng=1)}
    model = mt.Sequential(mt.Tanh(), mt.Parallel(branches, combine="concatenate"), mt.Flatten())
    text = flat(explain(model, sample((2, 2, 4, 4))))
    assert "C1 = 3 channels, C2 = 5 channels, C3 = 8 channels" in text
    shapes = "(N, C1, d2, D_in), (N, C2, d2, D_in) -> (N, C3, d2, D_in)"
    assert f"h3 = [h1, h2] side by side {shapes}" in text
    assert "grad_h1, grad_h2 = the parts of grad_h3" in text
    assert "branch two: │ 1.two Conv2d" in text
    assert "grad_x_tanh = grad_x_tanh_one + grad_x_tanh_two" in text
    beside = mt.Parallel(mt.Linear(4, 3, rng=0), mt.Sequential(), combine="concatenate", dim=-1)
    text = flat(explain(mt.Sequential(mt.Tanh(), beside), sample((5, 4)), numbers=True))
    assert "x_tanh (N, D_in) goes through the layer and past it." in text
    assert "y_pred = [h, x_tanh] side by side (N, H), (N, D_in) -> (N, D_out)" in text
    assert "grad_h, grad_x_tanh_1 = the parts of grad_y_pred" in text
    assert "grad_x_tanh = grad_x_tanh_0 + grad_x_tanh_1" in text
    assert "BUT" not in text
    assert "as computed" in text
    assert "but what was computed" not in text


def test_a_first_layer_with_branches_has_no_sum_that_nobody_needs():
    model = mt.Sequential(mt.Residual(mt.Linear(4, 4, rng=0)), mt.Tanh())
    text = flat(explain(model, mt.MSELoss(), sample((5, 4)), sample((5, 4))))
    assert "BACKWARD, from the loss to grad_w" in text
    assert "grad_x = grad_h1 wᵀ is left out: nobody needs grad_x to train" in text
    assert "grad_x_layer" not in text


@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_layer_is_explained_layer_by_layer(norm_first):
    encoder = mt.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", norm_first=norm_first, rng=0)
    model, x = mt.Sequential(mt.Linear(8, 8, rng=1), encoder), sample((3, 5, 8))
    explanation = explain(model, x, numbers=True)
    text = flat(str(explanation).replace("│", ""))
    forward, backward = text.split("BACKWARD")
    for name in ("norm1", "self_attn", "dropout1", "norm2", "linear1", "activation", "linear2", "dropout2"):
        assert f" 1.{name} " in forward
        assert f" 1.{name} " in backward
    assert text.count("goes through the layer and past it") == 2
    assert "q (N, heads, d, head_dim) (960 B), k (N, heads, d, head_dim)" in text
    assert "p (N, heads, d, d) (1.2 kB)" in text
    assert "heads = 2, head_dim = 4" in text
    assert "BUT" not in text
    dy = np.random.default_rng(0).standard_normal(x.shape)  # as explain draws it
    y = model(x)
    model.backward(dy)
    made = {p.name: p.value for step in leaves(explanation.chain.steps) for p in step.arrays.values()}
    assert explanation.chain.prediction.value.tobytes() == y.tobytes()
    weights = parameter_names(model, UniqueNames({"x", "y"}))
    for parameter in model.parameters():
        assert np.array_equal(made[f"grad_{weights[id(parameter)]}"], parameter.grad)


def test_layers_with_branches_that_compute_otherwise_are_one_layer():
    class Doubled(mt.Residual):
        """y = 2 (layer(x) + x).

        Backward: dx is twice what a Residual gives back.
        """

        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, dy):
            return super().backward(2 * dy)

    text = flat(explain(Doubled(mt.Linear(4, 4, rng=0)), sample((3, 4))))
    assert "y_pred = 2 (layer(x) + x)" in text
    assert "grad_x is twice what a Residual gives back." in text
    assert "│" not in text
