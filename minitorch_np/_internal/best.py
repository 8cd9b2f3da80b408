"""The best value so far of a number that is watched: early stopping, checkpoints, ReduceLROnPlateau."""

from __future__ import annotations

from minitorch_np._internal.validation import choice


def monitor_mode(owner: str, monitor: str, mode: str | None) -> str:
    """Return "min" or "max"; for losses and errors it need not be said."""
    if mode is None:
        if not monitor.endswith(("loss", "error")):
            raise ValueError(
                f"{owner}(monitor={monitor!r}) expects mode: 'min' if smaller is better, 'max' if larger is"
            )
        mode = "min"
    return choice(owner, "mode", mode, "min", "max")


def improves(
    value: float, best: float | None, mode: str, threshold: float = 0.0, relative: bool = False
) -> bool:
    """Return whether `value` is better than `best` (None: nothing so far) by more than `threshold`.

    A relative threshold is a part of the best. NaN is never better.
    """
    sign = 1 if mode == "max" else -1
    if best is None:
        return sign * value > float("-inf")
    if relative:
        return sign * value > sign * best * (1 + sign * threshold)
    return sign * value > sign * best + threshold
