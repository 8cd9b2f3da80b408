"""Bridges to other libraries, each an extra: `minitorch_np.interop.sklearn` has estimators for tables."""
