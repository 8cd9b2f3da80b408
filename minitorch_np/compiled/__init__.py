"""Compiled steps: a training step as one straight line of NumPy calls, with the bits of the layers."""
