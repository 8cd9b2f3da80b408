import copy

import numpy as np
import pytest

import minitorch_np as mt


def layers():
    return [mt.Linear(3, 4, rng=0), mt.ReLU(), mt.Linear(4, 2, rng=1)]


def test_it_is_a_list_of_layers():
    made = layers()
    model = mt.Sequential(*made)
    assert len(model) == 3
    assert list(model) == made
    assert model[0] is made[0]
    assert model[-1] is made[2]
    assert model[np.int64(1)] is made[1]
    assert list(mt.Sequential(made)) == list(mt.Sequential(tuple(made))) == made


def test_forward_and_backward_are_those_of_the_layers_in_turn():
    model, (first, relu, last) = mt.Sequential(*layers()), layers()
    x = np.random.default_rng(0).standard_normal((5, 3))
    y = model(x)
    assert y.tobytes() == last(relu(first(x))).tobytes()
    dx = first.backward(relu.backward(last.backward(y)))
    assert model.backward(y, input_grad=True).tobytes() == dx.tobytes()
    assert model[0].weight.grad.tobytes() == first.weight.grad.tobytes()


def test_the_input_gradient_is_not_even_computed_unless_asked_for():
    asked = []

    class Watched(mt.Linear):
        def backward(self, dy):
            asked.append(True)
            return super().backward(dy)

        def backward_parameters(self, dy):
            asked.append(False)
            super().backward_parameters(dy)

    model = mt.Sequential(mt.Sequential(Watched(3, 3), Watched(3, 3)), Watched(3, 3))
    x = np.ones((2, 3))
    assert model.backward(model(x)) is None
    assert asked == [True, True, False]
    asked.clear()
    assert model.backward(model(x), input_grad=True).shape == x.shape
    assert asked == [True, True, True]


def test_a_slice_is_a_network_of_the_same_layers():
    model = mt.Sequential(*layers())
    part = model[:2]
    assert isinstance(part, mt.Sequential)
    assert list(part) == list(model)[:2]
    assert list(model[::-1]) == list(model)[::-1]
    named = mt.Sequential(dict(zip("abc", layers(), strict=True)))
    assert [name for name, _ in named[1:].named_children()] == ["b", "c"]


def test_assigning_swaps_a_layer():
    model = mt.Sequential(*layers())
    model[1] = mt.Tanh()
    assert repr(model) == "Sequential(Linear(3, 4), Tanh(), Linear(4, 2))"
    model[-1] = mt.Linear(4, 5)
    assert model(np.ones((1, 3))).shape == (1, 5)
    model[1] = model[1]


def test_deleting_inserting_appending_extending():
    model = mt.Sequential()
    assert model.append(mt.ReLU()).extend([mt.Tanh(), mt.Linear(2, 2)]).insert(0, mt.Linear(3, 2)) is model
    assert repr(model) == "Sequential(Linear(3, 2), ReLU(), Tanh(), Linear(2, 2))"
    del model[1]
    del model[-1]
    assert repr(model) == "Sequential(Linear(3, 2), Tanh())"
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    del model[:]
    assert len(model) == 0


def test_names():
    model = mt.Sequential({"hidden": mt.Linear(3, 4), "act": mt.ReLU()})
    model.append(mt.Linear(4, 2), name="out")
    assert list(model.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
    model["act"] = mt.Tanh()
    assert repr(model) == "Sequential({'hidden': Linear(3, 4), 'act': Tanh(), 'out': Linear(4, 2)})"
    model.append(mt.ReLU())
    assert [name for name, _ in model.named_children()] == ["hidden", "act", "out", "3"]
    del model["act"]
    assert [name for name, _ in model.named_children()] == ["hidden", "out", "3"]
    with pytest.raises(ValueError, match="different names"):
        model.append(mt.ReLU(), name="out")
    with pytest.raises(KeyError, match="'act' is not a layer of this Sequential; it has hidden, out, 3"):
        model["act"]
    with pytest.raises(ValueError, match="without dots"):
        mt.Sequential({"a.b": mt.ReLU()})
    with pytest.raises(ValueError, match="numbers its layers, so 'x' cannot be a name"):
        mt.Sequential(mt.ReLU()).append(mt.ReLU(), name="x")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (mt.ReLU, r"the class ReLU \(write ReLU\(\)\) at position 1"),
        (np.tanh, r"the function tanh \(an Activation makes a layer of a function\)"),
        ("relu", "str 'relu'"),
        (3, "int 3"),
        (None, "NoneType None"),
        ([mt.ReLU()], r"list \[ReLU\(\)\]"),
    ],
)
def test_what_is_not_a_layer_is_refused_by_name(wrong, said):
    with pytest.raises(TypeError, match=f"Sequential expects layers, got {said}"):
        mt.Sequential(mt.ReLU(), wrong)
    model = mt.Sequential(mt.ReLU(), mt.ReLU())
    with pytest.raises(TypeError, match="Sequential expects layers"):
        model[1] = wrong
    assert repr(model) == "Sequential(ReLU(), ReLU())"


def test_one_layer_at_two_places_is_refused_and_nothing_changes():
    relu = mt.ReLU()
    with pytest.raises(ValueError, match=r"ReLU\(\) stands at two places of a network, '0' and '2.0'"):
        mt.Sequential(relu, mt.Linear(2, 2), mt.Sequential(relu))
    model = mt.Sequential(relu)
    for wrong in (relu, mt.Sequential(relu)):
        with pytest.raises(ValueError, match="stands at two places"):
            model.append(wrong)
    for wrong in (model, mt.Sequential(model)):
        with pytest.raises(ValueError, match="cannot contain itself"):
            model.append(wrong)
    assert repr(model) == "Sequential(ReLU())"


@pytest.mark.parametrize(
    ("index", "error"), [(3, IndexError), (-4, IndexError), (1.0, TypeError), (True, TypeError)]
)
def test_a_wrong_index_is_an_error(index, error):
    with pytest.raises(
        error, match=r"out of range for a Sequential of 3 layers|expects a number, a name or a slice"
    ):
        mt.Sequential(*layers())[index]


def test_assigning_to_a_slice_is_refused():
    model = mt.Sequential(*layers())
    with pytest.raises(TypeError, match="one layer at a time"):
        model[0:2] = [mt.ReLU()]


def test_an_error_inside_says_in_which_layer():
    model = mt.Sequential({"body": mt.Sequential(mt.Linear(3, 4), mt.Linear(5, 2))})
    with pytest.raises(ValueError, match=r"Linear\(5, 2\) expects x of shape \(N, 5\), got \(2, 4\)") as caught:
        model(np.ones((2, 3)))
    assert caught.value.__notes__ == ["(layer '1' of a Sequential)", "(layer 'body' of a Sequential)"]
    with pytest.raises(RuntimeError, match="call forward") as caught:
        model.backward(np.ones((2, 2)))
    assert caught.value.__notes__[-1] == "(layer 'body' of a Sequential)"


def test_a_long_repr_takes_a_line_a_layer_and_still_builds_it():
    model = mt.Sequential(
        mt.Sequential(*layers(), *layers()), mt.Sequential({"a": mt.Linear(2, 3), "b": mt.ReLU()})
    )
    assert repr(model).startswith("Sequential(\n    Sequential(Linear(3, 4), ReLU(),")
    assert repr(eval(repr(model), vars(mt).copy())) == repr(model)


def test_integers_take_the_dtype_of_the_model_even_before_an_activation():
    model = mt.Sequential(mt.ReLU(), mt.Linear(3, 2, dtype="float32"))
    assert model(np.ones((2, 3), dtype=int)).dtype == np.float32


def test_a_network_of_names_that_was_emptied_takes_names_again():
    model = mt.Sequential({})
    model.extend([mt.ReLU()]).append(mt.Tanh(), name="last")
    assert [name for name, _ in model.named_children()] == ["0", "last"]
    before = list(model.named_children())
    with pytest.raises(ValueError, match="different names"):
        model.append(mt.ReLU(), name="last")
    assert list(model.named_children()) == before


def test_attributes_of_a_subclass_are_part_of_the_tree():
    class WithHead(mt.Sequential):
        def __init__(self, *layers):
            super().__init__(*layers)
            self.head = mt.Linear(2, 1)

    assert list(WithHead(mt.Linear(3, 2)).state_dict()) == ["0.weight", "0.bias", "head.weight", "head.bias"]


def test_a_forward_that_fails_leaves_nothing_for_a_backward():
    model = mt.Sequential(mt.Linear(3, 4), mt.Linear(4, 2))
    model(np.ones((2, 3)))
    model[1] = mt.Linear(5, 2)
    model[1](np.ones((2, 5)))
    with pytest.raises(ValueError, match="expects x"):
        model(np.ones((2, 3)))
    with pytest.raises(RuntimeError, match="call forward"):
        model.backward(np.ones((2, 2)))


def test_inside_another_layer_backward_returns_dx():
    class Residual(mt.Layer):
        def __init__(self, inner):
            self.inner = inner

        def forward(self, x):
            return x + self.inner(x)

        def backward(self, dy):
            return dy + self.inner.backward(dy)

    x = np.random.default_rng(0).standard_normal((4, 3))
    for inner in (mt.Linear(3, 3, rng=0), mt.Sequential(mt.Linear(3, 3, rng=0), mt.Tanh())):
        model = mt.Sequential(mt.Linear(3, 3, rng=1), Residual(inner))
        assert mt.gradcheck(model, x)
        assert model.backward(model(x)) is None


def test_a_class_that_overrides_backward_alone_keeps_its_say_as_a_first_layer():
    class Halved(mt.Linear):
        def backward(self, dy):
            return super().backward(dy / 2)

    plain, halved = mt.Linear(3, 2, rng=0), Halved(3, 2, rng=0)
    x = np.ones((4, 3))
    for layer in (plain, halved):
        model = mt.Sequential(layer)
        model.backward(model(x))
    assert halved.weight.grad.tolist() == (plain.weight.grad / 2).tolist()


def test_its_layers_are_an_attribute():
    model = mt.Sequential(*layers())
    assert model.layers == list(model)
    model.layers.clear()
    assert len(model) > 0


def test_a_long_network_is_made_layer_by_layer():
    """Each append costs as much as the first: no search through all layers."""
    model, looked = mt.Sequential(), []

    class Counts(mt.Identity):
        def named_children(self):
            looked.append(self)
            return super().named_children()

    for _ in range(500):
        model.append(Counts())
    assert len(model) == 500
    assert len(looked) <= 1000
    with pytest.raises(ValueError, match="two places"):
        model.append(model[3])
    with pytest.raises(ValueError, match="two places"):
        model.append(mt.Sequential(model[7]))
    empty = mt.Sequential()
    with pytest.raises(ValueError, match=r"cannot contain itself|two places"):
        empty.append(empty)
    assert len(model) == 500


def test_deeply_nested_networks_are_copied_and_printed():
    model = inner = mt.Sequential(mt.Linear(2, 2, rng=0))
    for _ in range(300):  # deeper than Python's recursion limit allows with four calls a level
        model = mt.Sequential(model)
    copied = copy.deepcopy(model)
    assert repr(copied) == repr(model)
    parameters = [*model.parameters()], [*copied.parameters()]
    for ours, theirs in zip(*parameters, strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
        assert not np.shares_memory(ours.data, theirs.data)
    assert inner not in list(copied.modules())
    assert all(layer.is_inside for layer in list(copied.modules())[1:])


def test_a_layer_with_a_copy_of_its_own_keeps_it():
    class Once(mt.Identity):
        def __deepcopy__(self, memo):
            return self

    once = Once()
    assert copy.deepcopy(mt.Sequential(once, mt.ReLU()))[0] is once
