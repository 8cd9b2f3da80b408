import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from minitorch_np._internal.arrays import aligned_zeros, as_floats, float_dtype, shape_text


def test_arrays_of_the_right_dtype_are_passed_on_as_they_are():
    for dtype in ("float64", "float32"):
        x = np.ones((2, 3), dtype)
        assert as_floats(x, np.dtype(dtype), "Owner", "x") is x
        assert as_floats(x, None, "Owner", "x") is x


@pytest.mark.parametrize(
    "value", [3, True, 2.5, [1, 2.5], (1, 2), np.arange(3, dtype="uint8"), np.array([True])]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_integers_booleans_and_python_numbers_become_floats(value, dtype):
    array = as_floats(value, np.dtype(dtype), "Owner", "x")
    assert array.dtype == dtype
    assert array.tolist() == np.asarray(value, dtype).tolist()


def test_a_subclass_becomes_an_array():
    class Subclass(np.ndarray):
        pass

    assert type(as_floats(np.ones(3).view(Subclass), None, "Owner", "x")) is np.ndarray


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.float32(3), "float32"),
        (np.ones(2, "float16"), r"float16: convert it with x\.astype\('float64'\)$"),
        (
            np.ones(2, "float32"),
            r"float32: convert it with x\.astype\('float64'\), or the model with model\.astype\('float32'\)",
        ),
        (1j, "complex128"),
        ("a", "<U1"),
        (None, "object"),
        ([object()], "object"),
        (np.array(["2026-01-01"], "datetime64[D]"), "datetime64"),
    ],
)
def test_the_rest_is_refused(value, got):
    with pytest.raises(TypeError, match=f"Owner expects x of dtype float64, got {got}"):
        as_floats(value, np.dtype("float64"), "Owner", "x")


def test_float_dtype():
    assert float_dtype("float32") == float_dtype(np.float32) == np.float32
    assert float_dtype(float) == np.float64
    for wrong in (None, int, "float16", "nonsense", 3):
        with pytest.raises(ValueError, match="dtype must be float64 or float32, got"):
            float_dtype(wrong)


def test_shape_text():
    assert shape_text((..., 1000)) == "(N, 1000)"
    assert shape_text((3,)) == "(3,)"


def test_aligned_zeros():
    for size in (0, 1, 5, 1000):
        for dtype in (np.dtype("float64"), np.dtype("float32")):
            a = aligned_zeros(size, dtype)
            assert a.shape == (size,)
            assert a.dtype == dtype
            assert a.ctypes.data % 64 == 0 or size == 0
            assert not a.any()
            assert a.flags.writeable


STEPS = """
import resource
import numpy as np
import minitorch_np as mt

layer = mt.MultiheadAttention(16, 2, dtype="float32")
x = np.ones((32, 64, 16), "float32")
for step in range(6):
    if step == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    layer.backward(layer(x))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about the malloc of glibc")
def test_a_step_takes_its_memory_from_the_step_before():
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", STEPS], capture_output=True, text=True, env=environment, check=True
    )
    assert int(done.stdout) < 100  # page faults; of an array of 1 MB that is given back, 256
