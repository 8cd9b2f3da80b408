"""Tools to understand, check and compare networks."""

from minitorch_np.study.compare import compare
from minitorch_np.study.explain import explain
from minitorch_np.study.gradcheck import gradcheck
from minitorch_np.study.guard import guard
from minitorch_np.study.handwritten import handwritten
from minitorch_np.study.summary import summary
from minitorch_np.study.trace import trace

__all__ = ["compare", "explain", "gradcheck", "guard", "handwritten", "summary", "trace"]
