"""Bridges to other libraries, each an extra: torch, ONNX, MPI, scikit-learn; and files of state dicts."""
