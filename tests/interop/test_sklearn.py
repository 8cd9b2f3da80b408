import functools

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from minitorch_np.interop.sklearn import NetworkClassifier, NetworkRegressor


def name(check):
    if isinstance(check, functools.partial):
        return f"{name(check.func)}{''.join(f',{key}={value}' for key, value in check.keywords.items())}"
    return name(check.__wrapped__) if hasattr(check, "__wrapped__") else check.__name__


CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name(check)}")
    for estimator in (NetworkClassifier(epochs=100), NetworkRegressor(epochs=100))
    for _, check in estimator_checks_generator(estimator)
    if "array_api" not in name(check)  # which skips itself: this is NumPy
]


@pytest.mark.filterwarnings("ignore:NetworkClassifier predicts")  # labels that checks draw at random
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
