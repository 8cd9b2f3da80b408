import gc
import os

# Before NumPy is imported: the tests run on all cores, each on one BLAS thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # texts are as wide as without a terminal, wherever the tests run

from hypothesis import settings

settings.register_profile("quick", max_examples=12, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile("quick")  # the gate says --hypothesis-profile=thorough


def pytest_collection_finish():
    """Keep what is collected, ten thousand tests, out of every later garbage collection."""
    gc.collect()
    gc.freeze()
