"""Recurrent layers in torch and here: values, gradients of all parameters, training."""

from __future__ import annotations

from typing import Any

from reference import layer_runs
from reference.layer_runs import Case

SHAPE = (3, 6, 4)
SCALE = 0.4  # of the weights: with larger ones a rounding error grows from step to step
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    " without bias": {"bias": False},
    " last step": {"return_sequences": False},
    " two layers": {"num_layers": 2},
    " both directions": {"bidirectional": True},
    " both directions, last step": {"bidirectional": True, "return_sequences": False},
    " three layers, both directions, without bias, last step": {
        "num_layers": 3,
        "bidirectional": True,
        "bias": False,
        "return_sequences": False,
    },
}
CASES: dict[str, Case] = {
    name + words: (name, (4, 3), options, SHAPE)
    for name in ("RNN", "LSTM", "GRU")
    for words, options in OPTIONS.items()
}
CASES["RNN relu"] = ("RNN", (4, 3), {"nonlinearity": "relu"}, SHAPE)
CASES["RNN relu two layers"] = ("RNN", (4, 3, 2, "relu"), {"bidirectional": True}, SHAPE)
CASES["LSTM one step"] = ("LSTM", (4, 3), {}, (3, 1, 4))
CASES["GRU one sample"] = ("GRU", (4, 3, 2), {}, (1, 6, 4))


def run_torch(case: Case, dtype: str) -> dict[str, Any]:
    from torch import nn

    name, positional, options, shape = case
    options = {**options, "batch_first": True}
    all_steps = options.pop("return_sequences", True)

    class OneResult(getattr(nn, name)):  # type: ignore[misc]
        """Without the states, or of these only the last of the last layer."""

        def forward(self, x: Any) -> Any:
            y, states = super().forward(x)
            if all_steps:
                return y
            h_n = states[0] if name == "LSTM" else states
            last = h_n[-2:] if self.bidirectional else h_n[-1:]
            return last.transpose(0, 1).reshape(len(x), -1)

    return layer_runs.run_module(OneResult(*positional, **options), shape, dtype, SCALE)


def run_ours(case: Case, dtype: str) -> dict[str, Any]:
    return layer_runs.run_ours(case, dtype, SCALE)
