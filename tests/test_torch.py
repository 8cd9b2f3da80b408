"""Agreement with torch: with committed values, and live where torch is installed."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from reference.make import AREAS, HERE, values

MODULES = {area: import_module(f"reference.{area}") for area in AREAS}
SOURCES = ["committed", "live"] if find_spec("torch") else ["committed"]
TOLERANCES = {"float64": (1e-9, 1e-12), "float32": (1e-5, 1e-6)}


@cache
def expected(area, source):
    if source == "live":
        return values(area)
    with np.load(HERE / f"{area}.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("area", "name"), [(area, name) for area in AREAS for name in MODULES[area].CASES])
def test_agreement(area, name, source, dtype):
    module, prefix = MODULES[area], f"{name}/{dtype}/"
    arrays = {k.removeprefix(prefix): a for k, a in expected(area, source).items() if k.startswith(prefix)}
    result = module.run_ours(module.CASES[name], dtype)
    assert result.keys() == arrays.keys() != set()
    rtol, atol = getattr(module, "TOLERANCES", TOLERANCES)[dtype]
    rtol = max(rtol, getattr(module, "LOOSE", {}).get(name, 0))
    for key, array in arrays.items():
        assert np.shape(result[key]) == array.shape, key
        largest = np.abs(array[np.isfinite(array)]).max(initial=1)
        np.testing.assert_allclose(result[key], array, rtol=rtol, atol=atol * largest, err_msg=key)


def test_the_training_cases_train():
    losses = {
        name: expected("training", "committed")[f"{name}/float64/losses"] for name in MODULES["training"].CASES
    }
    falls = {name for name, values in losses.items() if values[-1] < 0.9 * values[0]}
    assert {"plain", "no bias", "mean", "momentum", "dampening", "nesterov", "weight decay"} <= falls
