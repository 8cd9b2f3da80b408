"""Layers for images: what their numbers are by the plainest loops, and what is refused."""

import numpy as np
import pytest

import minitorch_np as mt


def by_loops(x, weight, bias, stride, padding, dilation):
    """Convolution as its formula says it, number by number."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    samples, channels, height, width = x.shape
    filters, _, kh, kw = weight.shape
    rows = (height - dilation * (kh - 1) - 1) // stride + 1
    columns = (width - dilation * (kw - 1) - 1) // stride + 1
    y = np.zeros((samples, filters, rows, columns))
    for n, o, h, w in np.ndindex(y.shape):
        y[n, o, h, w] = bias[o]
        for c, i, j in np.ndindex(channels, kh, kw):
            y[n, o, h, w] += x[n, c, h * stride + i * dilation, w * stride + j * dilation] * weight[o, c, i, j]
    return y


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 0, 2)])
def test_convolution_is_its_formula(stride, padding, dilation):
    layer = mt.Conv2d(2, 3, (3, 2), stride, padding, dilation, rng=0)
    x = np.random.default_rng(0).standard_normal((2, 2, 7, 6))
    expected = by_loops(x, layer.weight.data, layer.bias.data, stride, padding, dilation)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-14)


def test_a_convolution_of_one_pixel_is_a_linear_map_of_the_channels():
    layer, x = mt.Conv2d(3, 2, 1, rng=0), np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    expected = np.einsum("nchw,oc->nohw", x, layer.weight.data[:, :, 0, 0]) + layer.bias.data[:, None, None]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12)


def test_of_equal_numbers_the_first_gets_the_gradient_of_a_maximum():
    layer = mt.MaxPool2d(2)
    layer(np.ones((1, 1, 2, 2)))
    assert layer.backward(np.full((1, 1, 1, 1), 3.0)).tolist() == [[[[3, 0], [0, 0]]]]


def test_a_nan_in_a_window_is_its_maximum():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = np.nan
    assert np.isnan(mt.MaxPool2d(2)(x)[0, 0, 0, 0])


def test_a_pool_of_sequences_is_one_of_images_of_height_one():
    x = np.random.default_rng(0).standard_normal((2, 3, 9))
    for of_sequences, of_images in (
        (mt.MaxPool1d(3, 2, 1), mt.MaxPool2d((1, 3), (1, 2), (0, 1))),
        (mt.AvgPool1d(3, 2, 1), mt.AvgPool2d((1, 3), (1, 2), (0, 1))),
    ):
        y = of_sequences(x)
        assert y.tobytes() == of_images(x[:, :, np.newaxis]).tobytes()
        assert of_sequences.backward(y).tobytes() == of_images.backward(y[:, :, np.newaxis]).tobytes()


def test_adaptive_windows_go_from_the_floor_to_the_ceiling():
    x = np.arange(5.0).reshape(1, 1, 1, 5)
    layer = mt.AdaptiveAvgPool2d((1, 3))
    assert layer(x).tolist() == [[[[0.5, 2, 3.5]]]]  # of 0 1, 1 2 3, 3 4
    assert layer.backward(np.array([[[[2.0, 3, 4]]]])).tolist() == [[[[1, 2, 1, 3, 2]]]]
    assert mt.AdaptiveAvgPool2d(1)(x).tolist() == [[[[2]]]]
    assert mt.AdaptiveAvgPool2d(None)(x).tolist() == x.tolist()


def test_upsampling_repeats_and_its_gradient_adds_up():
    x = np.array([[[[1.0, 2], [3, 4]]]])
    layer = mt.Upsample(scale_factor=2)
    assert layer(x).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]]]
    assert layer.backward(np.arange(16.0).reshape(1, 1, 4, 4)).tolist() == [[[[10, 18], [42, 50]]]]
    smaller = mt.Upsample(size=2)
    assert smaller(np.array([[[1.0, 2, 3]]])).tolist() == [[[1, 2]]]
    assert smaller.backward(np.array([[[5.0, 6]]])).tolist() == [[[5, 6, 0]]]


def test_zeros_stand_on_the_edges_that_were_named():
    layer = mt.ZeroPad2d((1, 0, 0, 2))  # left, right, top, bottom
    assert layer(np.ones((1, 1, 1, 2))).tolist() == [[[[0, 1, 1], [0, 0, 0], [0, 0, 0]]]]
    assert layer.backward(np.arange(9.0).reshape(1, 1, 3, 3)).tolist() == [[[[1, 2]]]]


def test_batch_statistics_and_running_ones():
    rng = np.random.default_rng(0)
    layer, x = mt.BatchNorm2d(3), 5 + 2 * rng.standard_normal((40, 3, 6, 6))
    y = layer(x)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), 1, rtol=1e-5)
    for _ in range(100):
        layer(5 + 2 * rng.standard_normal((40, 3, 6, 6)))
    np.testing.assert_allclose(layer.running_mean, 5, atol=0.2)
    np.testing.assert_allclose(layer.running_var, 4, rtol=0.1)
    before = layer.running_mean.copy()
    alone = layer.eval()(x[:1])  # a batch of one, by the running statistics, which stay
    np.testing.assert_allclose(alone, layer(x)[:1])
    np.testing.assert_array_equal(before, layer.running_mean)
    assert mt.gradcheck(layer, x[:2, :, :2, :2])


def test_a_whole_network_is_checked_saved_and_written_out(tmp_path):
    rng = np.random.default_rng(0)
    model = mt.Sequential(
        mt.Conv2d(1, 2, 3, padding=1, rng=rng),
        mt.BatchNorm2d(2),
        mt.ReLU(),
        mt.Residual(mt.Sequential(mt.Conv2d(2, 2, 3, padding="same", rng=rng), mt.BatchNorm2d(2))),
        mt.MaxPool2d(2),
        mt.Flatten(),
        mt.Dropout(0.3, rng=rng),
        mt.LayerNorm(18),
        mt.Linear(18, 3, rng=rng),
    )
    x, y = rng.standard_normal((6, 1, 6, 6)), np.array([0, 1, 2, 0, 1, 2])
    assert mt.gradcheck(model, x[:3], rng=0)
    history = mt.fit(
        model, mt.CrossEntropyLoss(), mt.Adam(model.parameters(), lr=0.01), x, y, epochs=40, rng=0, verbose=0
    )
    assert history["loss"][-1] < 0.2 < history["loss"][0]
    mt.save(tmp_path / "net.npz", model)
    again = mt.load(tmp_path / "net.npz").model
    np.testing.assert_array_equal(again.eval()(x), model.eval()(x))
    program = mt.handwritten(model.train(), mt.CrossEntropyLoss(), mt.SGD(model.parameters(), lr=0.01), x, y)
    assert "def correlate(" in program
    assert "def maxima(" in program
    assert "import minitorch_np" not in program


def test_a_group_of_a_sample_is_normalised_whoever_stands_beside_it():
    rng = np.random.default_rng(0)
    layer, x = mt.GroupNorm(2, 4), 5 + 2 * rng.standard_normal((3, 4, 6, 6))
    groups = layer(x).reshape(3, 2, -1)
    np.testing.assert_allclose(groups.mean(axis=2), 0, atol=1e-12)
    np.testing.assert_allclose(groups.std(axis=2), 1, rtol=1e-5)
    np.testing.assert_array_equal(layer(x)[1:2], layer(x[1:2]))
    one_group, of_layer_norm = mt.GroupNorm(1, 4), mt.LayerNorm((4, 6, 6))
    np.testing.assert_allclose(one_group(x), of_layer_norm(x), rtol=1e-12)


def test_root_mean_square_is_one_and_its_epsilon_that_of_the_dtype():
    x = 5 + np.random.default_rng(0).standard_normal((3, 400))
    np.testing.assert_allclose(np.square(mt.RMSNorm(400)(x)).mean(axis=1), 1, rtol=1e-12)
    for dtype in (np.float32, np.float64):
        tiny = np.full((1, 4), 1e-9, dtype)
        expected = 1e-9 / np.sqrt(1e-18 + np.finfo(dtype).eps)
        np.testing.assert_allclose(mt.RMSNorm(4, dtype=dtype)(tiny), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.Conv2d(3, 4, 3, groups=2), "groups that divide the channels, got 2 for 3 and 4: groups=1"),
        (lambda: mt.Conv2d(3, 4, (1, 2, 3)), r"kernel_size as one number or two, \(height, width\)"),
        (lambda: mt.Conv2d(3, 4, 0), "kernel_size to be a whole number, 1 or more, got 0"),
        (lambda: mt.Conv2d(3, 4, 3, stride=2, padding="same"), "stride=1 with padding='same', got stride=2"),
        (lambda: mt.Conv2d(3, 4, 3, padding="full"), "padding"),
        (lambda: mt.MaxPool2d(2, padding=2), "padding of half the kernel at most, got padding=2 for 2"),
        (lambda: mt.MaxPool1d((2, 2)), "kernel_size to be a whole number, 1 or more"),
        (lambda: mt.AdaptiveAvgPool2d((1, 2, 3)), r"output_size as one number or two, \(height, width\)"),
        (lambda: mt.AdaptiveAvgPool2d(0), "output_size to be a whole number, 1 or more, got 0"),
        (mt.Upsample, "size or scale_factor, one of them, got size=None and scale_factor=None"),
        (lambda: mt.Upsample(2, 2), "size or scale_factor, one of them, got size=2 and scale_factor=2"),
        (lambda: mt.Upsample(scale_factor=0), "scale_factor to be a number above 0, got 0"),
        (lambda: mt.Upsample(2, mode="bilinear"), "mode to be 'nearest', got 'bilinear'"),
        (lambda: mt.ZeroPad2d((1, 2)), r"padding as one number or \(left, right, top, bottom\), got \(1, 2\)"),
        (lambda: mt.ZeroPad2d(0.5), "padding to be a whole number, got 0.5"),
        (
            lambda: mt.Conv2d(2, 3, 3, padding_mode="mirror"),
            "'zeros' or 'reflect' or 'replicate' or 'circular', got",
        ),
        (
            lambda: mt.AvgPool2d(2, divisor_override=0),
            "divisor_override to be a whole number, 1 or more, got 0",
        ),
        (lambda: mt.BatchNorm1d(4, momentum=2), r"momentum to be a number in \[0, 1\], got 2"),
        (lambda: mt.BatchNorm1d(4, affine=1), "affine to be True or False, got 1"),
        (lambda: mt.LayerNorm(()), "a size or more in normalized_shape, got none"),
        (lambda: mt.LayerNorm(3.0), "normalized_shape to be a whole number, 1 or more, got 3.0"),
        (lambda: mt.Unflatten(1, 5), "unflattened_size to be sizes such as .2, -1., got 5"),
        (lambda: mt.RMSNorm([]), "RMSNorm expects a size or more in normalized_shape, got none"),
        (lambda: mt.RMSNorm(4, eps=-1), "RMSNorm expects eps to be a number, 0 or more, got -1"),
        (lambda: mt.GroupNorm(3, 4), "num_groups to divide num_channels, got 3 for 4: num_groups=2, or"),
        (lambda: mt.Unflatten(1, (-1, -1)), "sizes, of which one may be -1"),
        (lambda: mt.Residual(np.tanh), "a layer as layer, got"),
    ],
)
def test_arguments_that_do_not_fit(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (mt.Conv2d(2, 3, 3, rng=0), (1, 2, 2, 5), "images of 3 by 3 or more, with padding, got x of shape"),
        (mt.Conv2d(2, 3, 3, rng=0), (1, 3, 5, 5), r"expects x of shape \(N, 2, "),
        (mt.AvgPool2d(4), (1, 2, 3, 5), "images of 4 by 4 or more"),
        (
            mt.ZeroPad2d((-2, -1, 0, 0)),
            (1, 2, 3, 3),
            r"of which a pixel is left, got x of shape \(1, 2, 3, 3\)",
        ),
        (
            mt.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect", rng=0),
            (1, 2, 2, 5),
            "padding smaller than what it is taken from, got x",
        ),
        (
            mt.Conv1d(2, 3, 3, padding=4, padding_mode="circular", rng=0),
            (1, 2, 3),
            "padding no larger than what it is taken from, got x",
        ),
        (mt.MaxPool1d(5, 2, ceil_mode=True), (1, 2, 3), "sequences of 5 or more, with padding, got x"),
        (mt.Conv2d(3, 2, 3, rng=0), (2, 8, 8, 3), r"channels come second, x.transpose\(0, 3, 1, 2\)"),
        (mt.BatchNorm1d(3), (2, 8, 3), r"channels come second, x.transpose\(0, 2, 1\)"),
        (mt.Conv2d(3, 2, 3, rng=0), (3, 8, 8), r"one sample\? a batch of it is x\[None\]"),
        (mt.MaxPool1d(4), (1, 2, 3), r"sequences of 4 or more, with padding, got x of shape \(1, 2, 3\)"),
        (mt.AdaptiveAvgPool2d(2), (1, 2, 0, 3), "images of 1 by 1 or more"),
        (mt.Upsample(scale_factor=2), (2, 3), "one or more axes after the first two"),
        (mt.Upsample(size=(2, 3)), (2, 3, 4), "2 axes after the first two, of 1 or more before and after"),
        (mt.Upsample(scale_factor=0.2), (2, 3, 4), "of 1 or more before and after"),
        (mt.BatchNorm2d(2), (1, 2, 1, 1), "more than one value a feature while it trains"),
        (mt.BatchNorm2d(2), (3, 2), "expects x with 4 axes"),
        (mt.BatchNorm1d(2), (3, 2, 4, 4), "expects x with 2 or 3 axes"),
        (mt.GroupNorm(1, 2), (3, 2, 0), r"a pixel or more of each channel, got x of shape \(3, 2, 0\)"),
        (mt.Flatten(2, 1), (2, 3, 4), "start_dim to come before end_dim"),
        (mt.Flatten(1, 4), (2, 3, 4), "to have an axis 4"),
        (mt.Unflatten(1, (2, 2)), (3, 5), "an axis 1 that can be taken apart to these sizes"),
        (mt.Residual(mt.Linear(4, 3, rng=0)), (5, 4), r"got \(5, 3\) from the layer and \(5, 4\) beside it"),
    ],
)
def test_an_x_that_does_not_fit_is_named_and_leaves_nothing_behind(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.ones(shape))
    with pytest.raises(RuntimeError, match="call forward"):
        layer.backward(np.ones(shape))


def test_options_may_be_changed_afterwards():
    layer, pool = mt.Conv2d(1, 2, 3, rng=0), mt.MaxPool2d(2)
    layer.stride, layer.padding, pool.stride = 2, 1, (1, 1)
    assert repr(layer) == "Conv2d(1, 2, 3, stride=2, padding=1)"
    assert layer(np.ones((1, 1, 8, 8))).shape == mt.Conv2d(1, 2, 3, 2, 1)(np.ones((1, 1, 8, 8))).shape
    assert pool(np.ones((1, 1, 4, 4))).shape == (1, 1, 3, 3)
    transposed = mt.ConvTranspose2d(1, 1, 3, stride=2, rng=0)
    transposed.output_padding = 1
    assert transposed(np.ones((1, 1, 2, 2))).shape == (1, 1, 6, 6)


def test_a_layer_at_two_places_of_a_branch_is_refused():
    layer = mt.Linear(3, 3, rng=0)
    with pytest.raises(ValueError, match="stands at two places"):
        mt.Residual(layer, layer)


@pytest.mark.parametrize("make", [mt.Residual, mt.Parallel])
def test_a_failed_forward_leaves_nothing_of_the_one_before(make):
    layer = make(mt.Linear(3, 3, rng=0))
    layer(np.ones((2, 3)))
    with pytest.raises(TypeError):
        layer(np.ones((2, 3), "float32"))
    with pytest.raises(RuntimeError, match="call forward"):
        layer.backward(np.ones((2, 3)))


def test_no_gradient_is_lost_where_a_window_has_no_largest_number():
    layer = mt.MaxPool2d(2)
    layer(np.array([[[[np.nan, 1], [1, 1]]]]))
    assert layer.backward(np.ones((1, 1, 1, 1))).sum() == 1
