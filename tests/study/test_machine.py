import os
import subprocess
import sys

import numpy as np
import pytest

from minitorch_np.study import machine


def test_description_names_numpy_and_its_blas():
    text = machine.description()
    assert text.startswith(f"NumPy {np.__version__}, ")
    assert machine.blas() in text
    assert "BLAS thread" in text
    assert "cores" in machine.cpu()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_the_one_in_force(threads):
    if "openblas" not in machine.blas():
        assert machine.blas_threads() is None
        return
    code = "from minitorch_np.study import machine; print(machine.blas_threads())"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert out.stdout == f"{min(threads, os.cpu_count() or 1)}\n"
