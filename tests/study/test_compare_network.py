"""A program against a given network: its arrays have the names of the derived program."""

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study import compare, handwritten


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    layers = mt.Flatten(), mt.Linear(12, 5, rng=rng), mt.Tanh(), mt.Linear(5, 3, rng=rng)
    model = mt.Sequential(*layers)
    optimizer = mt.SGD(model.parameters(), lr=0.01)
    return model, mt.MSELoss(), optimizer, rng.standard_normal((8, 3, 4)), rng.standard_normal((8, 3))


def test_a_wrong_array_is_found_once_and_called_as_in_the_derived_program(network, tmp_path):
    text = handwritten(*network, steps=3)
    right = "grad_h2 = grad_h2_tanh * "
    assert right in text
    path = tmp_path / "my_network.py"
    path.write_text(text.replace(right, "grad_h2 = 1.5 * grad_h2_tanh * "))
    [finding] = compare(*network, steps=3, against=path).wrong  # it spoils a weight and a bias
    assert (finding.name, finding.array) == ("grad_h2", "grad_h2")
    assert "grad_h2 is the gradient of the input of layer 2, Tanh()\n    it is 1.5 times" in str(finding)
