import copy

import numpy as np
import pytest

import minitorch_np as mt


def test_data_is_copied_in():
    w = np.ones((2, 3))
    parameter = mt.Parameter(w)
    w[:] = 5
    assert (parameter.data == 1).all()
    data = parameter.data
    parameter.data = 2 * w
    assert parameter.data is data
    assert (data == 10).all()


@pytest.mark.parametrize("name", ["data", "grad"])
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (np.ones((3, 2)), ValueError, r"expects {} of shape \(2, 3\), got \(3, 2\)"),
        (np.ones((1, 3)), ValueError, "got"),
        (3.0, ValueError, r"got \(\)"),
        (np.ones((2, 3), np.float32), TypeError, "of dtype float64, got float32"),
        (np.ones((2, 3), complex), TypeError, "of dtype float64, got complex128"),
        ("text", TypeError, "got <U4"),
    ],
)
def test_what_does_not_fit_is_refused(name, wrong, error, message):
    parameter = mt.Parameter(np.ones((2, 3)))
    with pytest.raises(error, match=message.format(name)):
        setattr(parameter, name, wrong)
    assert (parameter.data == 1).all()
    assert not parameter.has_grad


def test_gradients_overwrite_once_used_and_add_until_then():
    parameter = mt.Parameter(np.zeros(3))
    grad = parameter.grad
    assert (grad == 0).all()
    parameter.add_grad(np.full(3, 2.0))
    parameter.add_sum(np.full((2, 3), 3.0))
    assert parameter.has_grad
    assert grad.tolist() == [8, 8, 8]
    parameter.has_grad = False  # as an optimizer's step leaves it
    parameter.add_grad(np.ones(3))
    assert grad.tolist() == [1, 1, 1]
    assert parameter.grad is grad
    parameter.zero_grad()
    assert not parameter.has_grad
    assert grad.tolist() == [0, 0, 0]


def test_grad_can_be_assigned_and_changed_in_place():
    parameter = mt.Parameter(np.zeros(2))
    parameter.grad = [1, 2]
    assert parameter.has_grad
    parameter.grad *= 3
    assert parameter.grad.tolist() == [3, 6]
    parameter.data -= 0.5 * parameter.grad
    assert parameter.data.tolist() == [-1.5, -3]
    parameter.grad = None
    assert not parameter.has_grad
    parameter.grad += 1
    assert parameter.has_grad
    assert parameter.grad.tolist() == [1, 1]


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"expects grad of shape \(3,\), got \(1,\)"):
        mt.Parameter(np.zeros(3)).add_grad(np.ones(1))


def test_an_array_from_before_an_optimizer_moved_it_cannot_be_written():
    parameter = mt.Parameter(np.zeros(3))
    held, held_grad = parameter.data, parameter.grad
    mt.SGD([parameter], lr=1.0)
    for array in (held, held_grad):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    parameter.data[:] = 1
    assert parameter.data.tolist() == [1, 1, 1]


def test_arrays_start_on_cache_lines():
    parameter = mt.Parameter(np.zeros((3, 5)))
    assert parameter.data.ctypes.data % 64 == parameter.grad.ctypes.data % 64 == 0
    model = mt.Sequential(mt.Linear(3, 5), mt.Linear(5, 7))
    mt.SGD(model.parameters())
    assert {p.data.ctypes.data % 64 for p in model.parameters()} == {0}
    assert {p.grad.ctypes.data % 64 for p in model.parameters()} == {0}


def test_astype_of_a_layer_keeps_the_numbers_and_the_gradient():
    layer = mt.Linear(1, 2, bias=False)
    parameter = layer.weight
    parameter.data = [[1.5, 2.5]]
    parameter.add_grad(np.array([[3.0, 4.0]]))
    layer.astype(np.float32)
    assert layer.weight is parameter
    assert parameter.data.dtype == parameter.grad.dtype == parameter.dtype == np.float32
    assert parameter.data.tolist() == [[1.5, 2.5]]
    assert parameter.grad.tolist() == [[3, 4]]
    assert parameter.has_grad
    with pytest.raises(ValueError, match="dtype must be float64 or float32, got 'int8'"):
        layer.astype("int8")


def test_copies_are_independent():
    parameter = mt.Parameter(np.zeros(2))
    mt.SGD([parameter])
    again = copy.deepcopy(parameter)
    again.data[:] = 1
    assert parameter.data.tolist() == [0, 0]
    assert again.owner is None
    assert not again.has_grad
    parameter.add_grad(np.ones(2))
    again = copy.deepcopy(parameter)
    assert again.has_grad
    assert again.grad.tolist() == [1, 1]


def test_repr():
    assert repr(mt.Parameter(np.zeros((2, 3), np.float32))) == "Parameter(shape=(2, 3), dtype='float32')"


@pytest.mark.parametrize(
    "use",
    [
        lambda w: np.ones((2, 3)) @ w,
        lambda w: np.dot(np.ones((2, 3)), w),
        lambda w: w * 2,
        np.asarray,
        np.sum,
        lambda w: w[0],
        lambda w: w.T,
    ],
)
def test_a_parameter_used_as_an_array_points_to_its_data(use):
    with pytest.raises((TypeError, AttributeError), match=r"\.data"):
        use(mt.Parameter(np.ones((3, 2))))


def test_parameters_are_compared_by_identity_and_can_be_keys():
    one, other = mt.Parameter(np.ones(2)), mt.Parameter(np.ones(2))
    assert one == one  # noqa: PLR0124
    assert one != other
    assert len({one, other}) == 2
