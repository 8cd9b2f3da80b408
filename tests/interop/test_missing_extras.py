"""One clear line where an extra is not installed."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "package", "line"),
    [
        ("torch", "torch", "minitorch_np.interop.torch needs torch: pip install 'minitorch-np[torch]'"),
        (
            "sklearn",
            "sklearn",
            "minitorch_np.interop.sklearn needs scikit-learn: pip install 'minitorch-np[sklearn]'",
        ),
    ],
)
def test_a_missing_extra_is_said_in_one_line(name, package, line, monkeypatch):
    monkeypatch.delitem(sys.modules, f"minitorch_np.interop.{name}", raising=False)
    for module in [each for each in sys.modules if each.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError) as caught:
        importlib.import_module(f"minitorch_np.interop.{name}")
    assert str(caught.value) == line
    assert caught.value.__cause__ is None
