"""The machine that a statement on bits or times holds for: NumPy, its BLAS, the BLAS threads."""

from __future__ import annotations

import ctypes
import os
from importlib import import_module

import numpy as np


def description() -> str:
    """`NumPy 2.4.6, scipy-openblas 0.3.31, 2 BLAS threads`."""
    threads = blas_threads()
    count = "BLAS threads unknown" if threads is None else f"{threads} BLAS thread{'s' if threads > 1 else ''}"
    return f"NumPy {np.__version__}, {blas()}, {count}"


def blas() -> str:
    """Name and version of the BLAS that NumPy was built with."""
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found.get('name', 'unknown BLAS')} {found.get('version', '')}".strip()


def blas_threads() -> int | None:
    """The number of threads that an OpenBLAS linked to NumPy uses; None for another BLAS.

    A handle on NumPy's extension module finds the functions of the libraries it is linked to.
    """
    try:
        library = ctypes.CDLL(import_module("numpy._core._multiarray_umath").__file__)
    except OSError:
        return None
    for name in (
        "scipy_openblas_get_num_threads64_",
        "openblas_get_num_threads64_",
        "openblas_get_num_threads",
    ):
        function = getattr(library, name, None)
        if function is not None:
            return int(function())
    return None


def cpu() -> str:
    """The processor's name and the number of cores this process may use."""
    name = "unknown CPU"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next(
                (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name
            )
    except OSError:
        pass
    return (
        f"{name}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    )
