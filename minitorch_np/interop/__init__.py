"""Bridges to other libraries, each in its file: `sklearn` has estimators for tables, `torch` takes networks to
torch and back, `state_files` reads and writes the files of torch and safetensors with NumPy alone."""
