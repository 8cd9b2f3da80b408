"""Attention and the encoder layer of a transformer in torch and here: values, gradients, training."""

from __future__ import annotations

from typing import Any

from reference import layer_runs
from reference.layer_runs import Case

SEQUENCES = (3, 5, 8)
SCALE = 0.3  # of the weights: larger ones make softmax so steep that rounding errors grow
ENCODER = {"dim_feedforward": 12, "dropout": 0.0}
CASES: dict[str, Case] = {
    "one head": ("MultiheadAttention", (8, 1), {}, SEQUENCES),
    "four heads": ("MultiheadAttention", (8, 4), {}, SEQUENCES),
    "causal": ("MultiheadAttention", (8, 4), {"causal": True}, SEQUENCES),
    "one causal head": ("MultiheadAttention", (8, 1), {"causal": True}, SEQUENCES),
    "without bias": ("MultiheadAttention", (8, 2), {"bias": False}, SEQUENCES),
    "a single step": ("MultiheadAttention", (8, 2), {"causal": True}, (3, 1, 8)),
    "encoder": ("TransformerEncoderLayer", (8, 2), ENCODER, SEQUENCES),
    "encoder norm first": ("TransformerEncoderLayer", (8, 2), {**ENCODER, "norm_first": True}, SEQUENCES),
    "encoder gelu": ("TransformerEncoderLayer", (8, 4), {**ENCODER, "activation": "gelu"}, SEQUENCES),
    "encoder causal": ("TransformerEncoderLayer", (8, 1), {**ENCODER, "causal": True}, SEQUENCES),
    "encoder of all options": (
        "TransformerEncoderLayer",
        (8, 2),
        {
            **ENCODER,
            "activation": "gelu",
            "layer_norm_eps": 1e-3,
            "norm_first": True,
            "bias": False,
            "causal": True,
        },
        SEQUENCES,
    ),
}


def torch_layer(name: str, positional: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """torch's layer as a function of x alone, batch first."""
    import torch

    is_causal = options.get("causal", False)
    options = {key: value for key, value in options.items() if key != "causal"} | {"batch_first": True}

    def mask(x: Any) -> Any:
        make = torch.nn.Transformer.generate_square_subsequent_mask
        return make(x.shape[1], dtype=x.dtype) if is_causal else None

    class MultiheadAttention(torch.nn.MultiheadAttention):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            return super().forward(x, x, x, attn_mask=mask(x), need_weights=False)[0]

    class TransformerEncoderLayer(torch.nn.TransformerEncoderLayer):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            return super().forward(x, src_mask=mask(x))

    classes = {cls.__name__: cls for cls in (MultiheadAttention, TransformerEncoderLayer)}
    return classes[name](*positional, **options)


def run_torch(case: Case, dtype: str) -> dict[str, Any]:
    *call, shape = case
    return layer_runs.run_module(torch_layer(*call), shape, dtype, SCALE)


def run_ours(case: Case, dtype: str) -> dict[str, Any]:
    return layer_runs.run_ours(case, dtype, SCALE)
