import os

# Before NumPy is imported: the tests run on all cores, each on one BLAS thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=12, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile("quick")  # the gate says --hypothesis-profile=thorough


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    """Texts are as wide as without a terminal, wherever the tests run."""
    monkeypatch.delenv("COLUMNS", raising=False)
