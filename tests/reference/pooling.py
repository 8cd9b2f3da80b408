"""Pooling of sequences and to a size, upsampling and padding in torch and here."""

from __future__ import annotations

from typing import Any

from reference.images import IMAGES
from reference.layer_runs import run_ours, run_torch

__all__ = ["CASES", "run_ours", "run_torch"]

SEQUENCES = (3, 4, 9)
CASES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "max pool of sequences": ("MaxPool1d", (2,), {}, SEQUENCES),
    "max pool of sequences overlapping": ("MaxPool1d", (3,), {"stride": 2, "padding": 1}, SEQUENCES),
    "mean pool of sequences": ("AvgPool1d", (2,), {}, SEQUENCES),
    "mean pool of sequences overlapping": ("AvgPool1d", (4,), {"stride": 1, "padding": 2}, SEQUENCES),
    "max pool that reaches out": ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, IMAGES),
    "max pool dilation": (
        "MaxPool2d",
        ((2, 3),),
        {"stride": (2, 1), "padding": (1, 0), "dilation": (3, 2)},
        IMAGES,
    ),
    "max pool of sequences dilation": ("MaxPool1d", (2, 3, 1, 3), {"ceil_mode": True}, SEQUENCES),
    "mean pool that reaches out": ("AvgPool2d", (3, 2, 1, True), {}, IMAGES),
    "mean pool of numbers alone": (
        "AvgPool2d",
        ((3, 2),),
        {"stride": (3, 2), "padding": 1, "ceil_mode": True, "count_include_pad": False},
        IMAGES,
    ),
    "mean pool of sequences that reaches out": ("AvgPool1d", (4, 3, 2, True, False), {}, SEQUENCES),
    "mean pool divided by a number": (
        "AvgPool2d",
        (3, 2, 1),
        {"ceil_mode": True, "divisor_override": 7},
        IMAGES,
    ),
    "mean pool of less than a window": ("AvgPool2d", (9, 4, 0, True), {}, IMAGES),
    "max pool of less than a window": ("MaxPool2d", (8,), {"stride": 3, "ceil_mode": True}, IMAGES),
    "max pool of sequences of less than a window": ("MaxPool1d", (12, 4), {"ceil_mode": True}, SEQUENCES),
    "mean of images": ("AdaptiveAvgPool2d", (1,), {}, IMAGES),
    "mean pool to a size": ("AdaptiveAvgPool2d", ((5, 4),), {}, IMAGES),
    "mean pool to a larger size": ("AdaptiveAvgPool2d", ((9, None),), {}, IMAGES),
    "upsample": ("Upsample", (), {"scale_factor": 2}, IMAGES),
    "upsample by a fraction": ("Upsample", (), {"scale_factor": (1.7, 0.6)}, IMAGES),
    "upsample to a size": ("Upsample", (), {"size": (9, 18)}, IMAGES),
    "upsample sequences": ("Upsample", (29,), {}, SEQUENCES),
    "zero padding": ("ZeroPad2d", (2,), {}, IMAGES),
    "zero padding that cuts off": ("ZeroPad2d", ((-1, 2, -3, -1),), {}, IMAGES),
    "zero padding of four edges": ("ZeroPad2d", ((1, 2, 0, 3),), {}, IMAGES),
}
