"""Write torch's values to the committed files: `python tests/reference/make.py [area ...]`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
AREAS = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", "layer_runs", "make"))


def values(area: str) -> dict[str, Any]:
    """torch's arrays for all cases of an area, by case, dtype and name."""
    module = import_module(f"reference.{area}")
    return {
        f"{name}/{dtype}/{key}": np.array(value)
        for name, case in module.CASES.items()
        for dtype in ("float64", "float32")
        for key, value in module.run_torch(case, dtype).items()
    }


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]
    for area in sys.argv[1:] or AREAS:
        np.savez_compressed(HERE / f"{area}.npz", **values(area))
