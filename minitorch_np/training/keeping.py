"""A second set of a model's weights and buffers, to go back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minitorch_np.layer import Layer


class Kept:
    """The numbers of all parameters and buffers as they were at the last `keep()`."""

    def __init__(self, model: Layer) -> None:
        self.model = model
        self._parameters = list(model.named_parameters())
        self._arrays = model.state_dict()

    def keep(self) -> None:
        """Remember the numbers of now; nothing the size of a parameter is allocated."""
        for name, parameter in self._parameters:
            np.copyto(self._arrays[name], parameter.data)
        for name, buffer in self.model.named_buffers():
            np.copyto(self._arrays[name], buffer)

    def restore(self) -> None:
        """Give the model the numbers that are remembered."""
        self.model.load_state_dict(self._arrays)
