"""The order of arguments of the tools in this package: model, loss, optimizer, x, y."""

from __future__ import annotations

from typing import Any

from minitorch_np.losses.loss import Loss


def loss_and_data(tool: str, loss: Any, x: Any, y: Any) -> tuple[Loss | None, Any, Any]:
    """Return loss, x and y of a call `tool(model, loss, x, y)` or `tool(model, x)`, without a loss.

    Raises TypeError for another order, ValueError for a loss without its target or the reverse.
    """
    calls = f"{tool}(model, loss, x, y), or {tool}(model, x) without a loss"
    if isinstance(x, Loss) or isinstance(y, Loss):
        raise TypeError(f"{tool} expects its arguments in another order: {calls}")
    if loss is not None and not isinstance(loss, Loss):
        if x is not None and y is not None:
            raise TypeError(f"{tool} expects a loss such as SquaredLoss(), got {loss!r}: {calls}")
        if x is not None:
            raise ValueError(f"{tool} expects a loss for the target y: {calls}")
        loss, x = None, loss
    if x is None:
        raise TypeError(f"{tool} expects x: {calls}")
    if (y is None) != (loss is None):
        missing = "y, the target of the loss" if y is None else "a loss for the target y"
        raise ValueError(f"{tool} expects {missing}: {calls}")
    return loss, x, y
