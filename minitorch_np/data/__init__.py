"""Data: data sets, batches, and parts to train on and to test with."""

from minitorch_np.data.datasets import Subset, TensorDataset
from minitorch_np.data.loader import DataLoader, batches
from minitorch_np.data.split import split

__all__ = ["DataLoader", "Subset", "TensorDataset", "batches", "split"]
