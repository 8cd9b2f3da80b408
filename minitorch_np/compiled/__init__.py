"""Compiled steps: a training step as one straight line of NumPy calls, with the bits of the layers."""

from minitorch_np.compiled.step import CompiledStep

compile = CompiledStep

__all__ = ["CompiledStep", "compile"]
