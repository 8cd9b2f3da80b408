"""Convolution, pooling and normalisation in torch and here: values, gradients, running statistics, training."""

from __future__ import annotations

from reference.layer_runs import Case, run_ours, run_torch

__all__ = ["CASES", "run_ours", "run_torch"]

IMAGES, SMALL, SEQUENCES, ROWS = (3, 4, 7, 6), (3, 4, 3, 2), (3, 4, 8), (6, 4)
CASES: dict[str, Case] = {
    "conv": ("Conv2d", (4, 6, 3), {}, IMAGES),
    "conv one by one": ("Conv2d", (4, 5, 1), {"bias": False}, IMAGES),
    "conv stride": ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1}, IMAGES),
    "conv stride that leaves a rest": ("Conv2d", (4, 6, (2, 3)), {"stride": (3, 2)}, IMAGES),
    "conv dilation": ("Conv2d", (4, 6, (3, 2)), {"dilation": (2, 3), "padding": (2, 1)}, IMAGES),
    "conv groups": ("Conv2d", (4, 6, 3), {"groups": 2, "padding": 1}, IMAGES),
    "conv depthwise": ("Conv2d", (4, 8, 3), {"groups": 4}, IMAGES),
    "conv same": ("Conv2d", (4, 6, (2, 3)), {"padding": "same"}, IMAGES),
    "conv same dilation": ("Conv2d", (4, 6, (4, 3)), {"padding": "same", "dilation": (1, 2)}, IMAGES),
    "conv valid": ("Conv2d", (4, 6, 3), {"padding": "valid"}, IMAGES),
    "conv many channels": ("Conv2d", (16, 3, (3, 2)), {"padding": (0, 1), "dilation": (2, 1)}, (3, 16, 6, 5)),
    "conv reflected": ("Conv2d", (4, 6, 3), {"padding": (1, 3), "padding_mode": "reflect"}, IMAGES),
    "conv replicated": ("Conv2d", (4, 2, (2, 3)), {"padding": 4, "padding_mode": "replicate"}, IMAGES),
    "conv circular": ("Conv2d", (4, 2, 3, 2, (7, 6)), {"padding_mode": "circular"}, IMAGES),
    "conv sequence reflected same": (
        "Conv1d",
        (4, 2, 4),
        {"padding": "same", "padding_mode": "reflect"},
        SEQUENCES,
    ),
    "conv sequence": ("Conv1d", (4, 6, 3), {}, SEQUENCES),
    "conv sequence stride": ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 2, "bias": False}, SEQUENCES),
    "conv sequence groups": ("Conv1d", (4, 6, 2), {"groups": 2, "dilation": 3}, SEQUENCES),
    "conv sequence same": ("Conv1d", (4, 6, 4), {"padding": "same"}, SEQUENCES),
    "conv transposed": ("ConvTranspose2d", (4, 6, 3), {}, SMALL),
    "conv transposed stride": ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1}, SMALL),
    "conv transposed to the other size": (
        "ConvTranspose2d",
        (4, 6, (3, 4)),
        {"stride": (3, 2), "padding": (1, 2), "output_padding": (2, 1)},
        SMALL,
    ),
    "conv transposed groups": (
        "ConvTranspose2d",
        (4, 6, 2),
        {"groups": 2, "dilation": 2, "bias": False},
        SMALL,
    ),
    "max pool": ("MaxPool2d", (2,), {}, IMAGES),
    "max pool overlapping": ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, IMAGES),
    "max pool oblong": ("MaxPool2d", ((3, 2),), {"stride": (1, 2)}, IMAGES),
    "mean pool": ("AvgPool2d", (2,), {}, IMAGES),
    "mean pool overlapping": ("AvgPool2d", (3,), {"stride": 2, "padding": 1}, IMAGES),
    "batch norm rows": ("BatchNorm1d", (4,), {}, ROWS),
    "batch norm sequences": ("BatchNorm1d", (4,), {"eps": 1e-3, "momentum": 0.3}, (6, 4, 5)),
    "batch norm images": ("BatchNorm2d", (4,), {}, IMAGES),
    "batch norm without weights": ("BatchNorm2d", (4,), {"affine": False}, IMAGES),
    "batch norm mean of all batches": ("BatchNorm2d", (4,), {"momentum": None}, IMAGES),
    "batch norm of the batch always": ("BatchNorm1d", (4,), {"track_running_stats": False}, ROWS),
    "layer norm": ("LayerNorm", (4,), {}, ROWS),
    "layer norm of images": ("LayerNorm", ((4, 7, 6),), {"eps": 1e-3}, IMAGES),
    "layer norm without bias": ("LayerNorm", (6,), {"bias": False}, IMAGES),
    "layer norm without weights": ("LayerNorm", (6,), {"elementwise_affine": False}, IMAGES),
    "flatten": ("Flatten", (), {}, IMAGES),
    "flatten two axes": ("Flatten", (2, 3), {}, IMAGES),
    "unflatten": ("Unflatten", (1, (2, 2)), {}, IMAGES),
}
