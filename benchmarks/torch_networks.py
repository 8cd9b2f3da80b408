"""The networks of the examples in torch: made of the text that ours prints, which is torch's but for these."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, layer: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.layer, self.shortcut = layer, shortcut or nn.Identity()

    def forward(self, x: Any) -> Any:
        return self.layer(x) + self.shortcut(x)


class Transpose(nn.Module):
    def __init__(self, dim0: int, dim1: int) -> None:
        super().__init__()
        self.dims = dim0, dim1

    def forward(self, x: Any) -> Any:
        return x.transpose(*self.dims)


class GRU(nn.GRU):
    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes, batch_first=True)

    def forward(self, x: Any) -> Any:
        return super().forward(x)[0]


class PositionalEmbedding(nn.Embedding):
    def forward(self, x: Any) -> Any:
        return x + self.weight[: x.shape[1]]


class TransformerEncoderLayer(nn.TransformerEncoderLayer):
    def __init__(self, *sizes: int, causal: bool = False, **options: Any) -> None:
        super().__init__(*sizes, **options, batch_first=True)
        self.causal = causal

    def forward(self, x: Any) -> Any:
        if not self.causal:
            return super().forward(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
        return super().forward(x, src_mask=mask, is_causal=True)


def network(model: object, dtype: str) -> nn.Module:
    """torch's layers from the repr of ours."""
    here = {
        cls.__name__: cls for cls in (Residual, Transpose, GRU, PositionalEmbedding, TransformerEncoderLayer)
    }
    text = repr(model).replace(f", dtype={dtype!r}", "")
    return eval(text, {**vars(nn), **here}).to(getattr(torch, dtype))
