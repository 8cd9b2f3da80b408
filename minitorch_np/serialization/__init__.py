"""Saving and loading: a network and its training in one .npz file, without pickle."""

from minitorch_np.serialization.load import load
from minitorch_np.serialization.save import save

__all__ = ["load", "save"]
