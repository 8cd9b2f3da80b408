import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from minitorch_np.interop.sklearn import NetworkClassifier, NetworkRegressor

NOISE = "ignore:NetworkClassifier predicts:UserWarning"  # of labels that scikit-learn's checks draw at random


@pytest.mark.filterwarnings(NOISE)
@parametrize_with_checks([NetworkClassifier(epochs=100), NetworkRegressor(epochs=100)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
