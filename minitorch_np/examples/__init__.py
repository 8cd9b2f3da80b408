"""Networks that run, `python -m minitorch_np example NAME`: each file is one, to be read and changed."""
