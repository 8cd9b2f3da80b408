"""Agreement with torch: from committed values, and live where torch is installed."""

import numpy as np
import pytest
from torch_cases import CASES, FILE, GAINS, has_torch, make_reference, run_ours

import minitorch_np as mt

SOURCES = ["committed", "live"] if has_torch() else ["committed"]


@pytest.fixture(scope="module", params=SOURCES)
def reference(request):
    if request.param == "live":
        return make_reference()
    with np.load(FILE) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", CASES)
def test_losses_gradients_and_trajectories_agree(reference, name):
    given = {key.removeprefix("inputs/"): a for key, a in reference.items() if key.startswith("inputs/")}
    expected = {key.removeprefix(f"{name}/"): a for key, a in reference.items() if key.startswith(f"{name}/")}
    result = run_ours(CASES[name], given)
    assert result.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_allclose(result[key], array, rtol=1e-9, atol=1e-12, err_msg=key)


def test_the_cases_train():
    with np.load(FILE) as arrays:
        falls = [name for name in CASES if arrays[f"{name}/losses"][-1] < 0.9 * arrays[f"{name}/losses"][0]]
    assert {"plain", "no bias", "mean", "momentum", "dampening", "nesterov", "weight decay"} <= set(falls)


def test_gains_agree(reference):
    assert np.allclose(
        [mt.initializers.calculate_gain(*gain) for gain in GAINS], reference["gains"], rtol=1e-15
    )
