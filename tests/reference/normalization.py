"""Normalisation without a batch in torch and here."""

from __future__ import annotations

from typing import Any

from reference.images import IMAGES, ROWS
from reference.layer_runs import run_ours, run_torch

__all__ = ["CASES", "run_ours", "run_torch"]

CASES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "group norm": ("GroupNorm", (2, 4), {}, IMAGES),
    "group norm of rows": ("GroupNorm", (1, 4), {"eps": 1e-3}, ROWS),
    "group norm of each channel": ("GroupNorm", (4, 4), {}, (6, 4, 5)),
    "group norm without weights": ("GroupNorm", (2, 4), {"affine": False}, IMAGES),
    "rms norm": ("RMSNorm", (4,), {}, ROWS),
    "rms norm of images": ("RMSNorm", ((4, 7, 6),), {"eps": 1e-3}, IMAGES),
    "rms norm without weights": ("RMSNorm", (6,), {"elementwise_affine": False}, IMAGES),
}
