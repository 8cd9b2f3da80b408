"""Data: data sets, batches, and parts to train on and to test with."""

from minitorch_np.data.batches import batches, split
from minitorch_np.data.datasets import Subset, TensorDataset
from minitorch_np.data.loader import DataLoader

__all__ = ["DataLoader", "Subset", "TensorDataset", "batches", "split"]
