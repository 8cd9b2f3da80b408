import pytest


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    """Texts are as wide as without a terminal, wherever the tests run."""
    monkeypatch.delenv("COLUMNS", raising=False)
