"""Networks as scikit-learn estimators: NetworkClassifier and NetworkRegressor."""

# ruff: noqa: N803, N806 (scikit-learn calls the rows X)
# mypy: disable-error-code="import-untyped, import-not-found, misc"
from __future__ import annotations

import copy
import inspect
import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
except ModuleNotFoundError:
    raise ImportError(
        "minitorch_np.interop.sklearn needs scikit-learn: pip install 'minitorch-np[sklearn]'"
    ) from None
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.numerics import sigmoid, softmax
from minitorch_np._internal.validation import plain, whole
from minitorch_np.layer import Layer
from minitorch_np.losses.binary import BCELoss, BCEWithLogitsLoss
from minitorch_np.losses.classification import CrossEntropyLoss, NLLLoss
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.serialization import parse
from minitorch_np.training.callbacks import EarlyStopping
from minitorch_np.training.evaluation import predict
from minitorch_np.training.fit import fit
from minitorch_np.training.history import History
from minitorch_np.training.non_finite import NotFiniteError

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

SMALLEST = 30  # rows from which early_stopping="auto" holds some of them out
REFIT = 10  # one epoch on all rows for so many on those that were not held out


class _NetworkEstimator(BaseEstimator):
    """Base of both estimators: the network, its training, and the rows that it is given."""

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        x, y, weight = self._rows(X, y, sample_weight)
        self._begin(y, weight)
        held_out = self._held_out(y)
        if held_out is None:
            self.history_ = self._train(x, y, weight, epochs=self.epochs)
            self.n_iter_ = self.history_.epochs
        else:
            stopping = EarlyStopping(patience=self.patience, min_delta=self.tol)
            rows = [(x[part], y[part], None if weight is None else weight[part]) for part in held_out]
            options = {"validation_data": self._data(*rows[1]), "callbacks": stopping}
            self.history_ = self._train(*rows[0], epochs=self.epochs, **options)
            self.n_iter_ = stopping.best_epoch + 1
            if self.refit and not _interrupted(self.history_):
                self._train(x, y, weight, epochs=-(-self.n_iter_ // REFIT))
        if _interrupted(self.history_):
            warnings.warn(f"{self._name}: {self.history_.stopped}, training is not complete", stacklevel=3)
        self._finish(x, y)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Self:
        x, y, weight = self._rows(X, y, sample_weight, reset=first, whole=False)
        if first:
            self._begin(y, weight)
            self.history_ = History()
        self._train(x, y, weight, epochs=self.history_.epochs + 1, resume=self.history_)
        self.n_iter_ = self.history_.epochs
        return self

    @property
    def loss_curve_(self) -> list[float]:
        """The training loss of each epoch."""
        return self.history_["loss"]

    def _rows(
        self, X: Any, y: Any, weight: Any, *, reset: bool = True, whole: bool = True
    ) -> tuple[Any, Array, Array | None]:
        """Return checked rows, targets as numbers, and weights; those of weight 0 are left out.

        `whole` says that these are all the rows there are, and not a part of them.
        """
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=float_dtype(self.dtype),
            order="C",
            multi_output=True,
            y_numeric=isinstance(self, RegressorMixin),
            reset=reset,
        )
        if weight is not None:
            weight = np.asarray(weight, dtype=np.float64)
            weight = np.full(len(y), weight) if weight.ndim == 0 else weight
            if weight.shape != (len(y),):
                raise ValueError(
                    f"sample_weight has shape {weight.shape}, expected ({len(y)},), one for each row"
                )
            if not (np.isfinite(weight) & (weight >= 0)).all():
                raise ValueError("sample_weight expects finite numbers, 0 or more")
            if not weight.any():
                raise ValueError("all sample weights are zero: no row is left to train on")
            used = weight > 0
            if not used.all():
                X, y, weight = X[used], y[used], weight[used]
        return X, *self._targets(y, weight, whole)

    def _begin(self, y: Array, weight: Array | None) -> None:
        """Make network, loss and optimizer, from the seed on."""
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._loss = self._make_loss()
        self._measure(y, weight)
        self._make_network()

    def _make_network(self) -> None:
        rng = np.random.default_rng(self._seed)
        sizes = self.n_features_in_, self._outputs
        given = copy.deepcopy(self.layers)
        if callable(given) and not isinstance(given, Layer | type):
            rng_too = {"rng": rng} if "rng" in inspect.signature(given).parameters else {}
            given = given(*sizes, **rng_too)
            if not isinstance(given, Layer):
                raise TypeError(
                    f"{self._name} expects layers(n_features, n_outputs) to return a network, got {given!r}"
                )
        self.network_ = parse.network(given, inputs=sizes[0], outputs=sizes[1], rng=rng)
        self.network_.astype(float_dtype(self.dtype))
        parameters = self.network_.parameters()
        lr = {} if self.lr is None else {"lr": self.lr}
        if isinstance(self.optimizer, str):
            self._optimizer = parse.optimizer(self.optimizer, parameters, **lr)
        elif isinstance(self.optimizer, type):
            self._optimizer = self.optimizer(parameters, **lr)
        elif callable(self.optimizer):
            self._optimizer = self.optimizer(parameters)
        if not isinstance(getattr(self, "_optimizer", None), Optimizer):
            raise TypeError(
                f"{self._name} expects optimizer as text, 'SGD(lr=0.1, momentum=0.9)', or as a function that "
                f"makes one of parameters, got {self.optimizer!r}"
            )

    def _make_loss(self) -> Loss:
        given = self._default_loss if self.loss is None else self.loss
        if isinstance(given, str):
            return parse.loss(given)
        loss = given() if isinstance(given, type) else copy.deepcopy(given)
        if not isinstance(loss, Loss):
            raise TypeError(
                f"{self._name} expects loss as text, 'HuberLoss(delta=2.0)', or a loss, got {given!r}"
            )
        return loss

    def _held_out(self, y: Array) -> tuple[Array, Array] | None:
        """Return the rows to train on and those to stop by, spread over the targets; None without."""
        n, part = len(y), self.validation_fraction
        if self.early_stopping not in (True, False, "auto"):
            raise ValueError(
                f"{self._name} expects early_stopping True, False or 'auto', got {self.early_stopping!r}"
            )
        if not 0 < part < 1:
            raise ValueError(f"{self._name} expects validation_fraction between 0 and 1, got {part!r}")
        if not self.early_stopping or (self.early_stopping == "auto" and n < SMALLEST):
            return None
        rng = np.random.default_rng([self._seed, 1])
        order = rng.permutation(n)
        order = order[np.argsort(y[order] if y.ndim == 1 else y[order, 0], kind="stable")]
        held_out = np.zeros(n, dtype=bool)
        held_out[order[np.arange(rng.uniform(0, 1 / part), n, 1 / part).astype(int)]] = True
        if isinstance(self, ClassifierMixin):  # every class is learned
            held_out[np.unique(y, return_index=True)[1]] = False
        if not held_out.any() or held_out.all():
            raise ValueError(
                f"{n} rows are too few to hold out a part of {part} of them: early_stopping=False trains on "
                "all, or set validation_fraction"
            )
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def _train(self, x: Any, y: Array, weight: Array | None, **options: Any) -> History:
        size = self.batch_size
        if size == "auto":  # several steps an epoch, but not many small ones
            size = min(max(32, x.shape[0] // 20), 200)
        loss = self._loss if weight is None else _WeightedLoss(self._loss)
        try:
            return fit(
                self.network_,
                loss,
                self._optimizer,
                self._data(x, y, weight),
                batch_size=whole(self._name, "batch_size", size, 1),
                rng=self._seed,
                verbose=self.verbose,
                **options,
            )
        except NotFiniteError as error:
            error.add_note("(scale the columns, StandardScaler() before it in a pipeline, or lower lr)")
            raise

    def _data(self, x: Any, y: Array, weight: Array | None) -> Any:
        """Return the rows as `fit` takes them."""
        y = self._for_loss(y)
        if weight is not None:
            if self._loss.reduction == "mean":
                weight = weight / weight.mean()
            y = np.column_stack([y, weight]).astype(float_dtype(self.dtype))
        return (x, y) if isinstance(x, np.ndarray) else _SparseRows(x, y)

    def _output(self, X: Any) -> Array:
        """Return what the network makes of the rows."""
        check_is_fitted(self, "network_")
        X = validate_data(self, X, accept_sparse="csr", dtype=float_dtype(self.dtype), order="C", reset=False)
        return self._predicted(X)

    def _predicted(self, x: Any) -> Array:
        return predict(self.network_, x if isinstance(x, np.ndarray) else _SparseRows(x), batch_size=1024)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class NetworkClassifier(ClassifierMixin, _NetworkEstimator):
    """A network that classifies the rows of a table.

    `layers` are the hidden layers, "64, relu, 64, relu", as text or a list of its parts; or a whole
    network, "Linear(30, 8), tanh, Linear(8, 2)" or a layer; or a function of the numbers of features and
    of outputs that returns one, and may take `rng` too. `loss` is text, "NLLLoss", or a loss;
    `optimizer` text, "SGD(momentum=0.9)", a class, or a function of the parameters; `lr` the
    learning rate, None the optimizer's own.

    With `early_stopping`, a `validation_fraction` of the rows is held out, training ends after `patience`
    epochs in which the validation loss has not fallen by more than `tol`, and the best weights are
    taken; with `refit` they are then trained on all rows for a tenth as many epochs more. "auto" does so
    from 30 rows on. `batch_size` "auto" is a twentieth of the rows, from 32 to 200. `sample_weight`
    counts a row so many times. `partial_fit` trains one epoch on the given rows, and never stops early.

    Columns should be numbers, complete and scaled: scalers, imputers and encoders go before it in a
    pipeline. Raises ValueError and TypeError for arguments and rows that do not fit.

    `class_weight` counts the rows of a class so many times: a dict of labels, or "balanced". The loss is
    CrossEntropyLoss, or NLLLoss for a network that ends in LogSoftmax; for two classes also
    BCEWithLogitsLoss, or BCELoss for a network that ends in Sigmoid, both of one output. Labels may be of
    any type. A class that is predicted for none of the rows trained on is named by a warning.

    Afterwards `classes_`, `network_`, `history_`, `loss_curve_`, and `n_iter_`, the best epoch,
    can be read.
    """

    _default_loss = "CrossEntropyLoss"

    def __init__(
        self,
        layers: Any = "64, relu, 64, relu",
        *,
        loss: Any = None,
        optimizer: Any = "Adam",
        lr: float | None = None,
        epochs: int = 200,
        batch_size: int | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 10,
        tol: float = 1e-3,
        refit: bool = True,
        class_weight: Any = None,
        dtype: str = "float64",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.layers = layers
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.refit = refit
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network on rows X (N, features) with labels y (N,)."""
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one epoch more on these rows; the first call is given all `classes` that will come."""
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all rows at once, and partial_fit gets some: give a "
                "dict of labels and weights"
            )
        first = not hasattr(self, "network_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit expects classes, all labels that will come")
        if classes is not None and first:
            self.classes_ = np.unique(classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes {classes!r} are not those of the first call, {self.classes_.tolist()}")
        return self._partial_fit(X, y, sample_weight, first)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (N, classes), in the order of `classes_`."""
        return self._probabilities(self._output(X))

    def predict(self, X: Any) -> Array:
        """Return the most probable label of each row, (N,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _probabilities(self, output: Array) -> Array:
        if isinstance(self._loss, NLLLoss):
            return softmax(output, 1) if isinstance(self._loss, CrossEntropyLoss) else np.exp(output)
        p = sigmoid(output) if isinstance(self._loss, BCEWithLogitsLoss) else output
        return np.hstack([1 - p, p])

    def _targets(self, y: Any, weight: Array | None, whole: bool) -> tuple[Array, Array | None]:
        """Return class indices, and weights times those of the classes."""
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if whole:
            self.classes_ = np.unique(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y has the label {plain(unknown[0])!r}, not one of the classes {self.classes_.tolist()}"
            )
        if self.class_weight is not None:
            of_classes = compute_sample_weight(self.class_weight, y)
            weight = of_classes if weight is None else weight * of_classes
        return np.searchsorted(self.classes_, y), weight

    def _measure(self, y: Array, weight: Array | None) -> None:
        binary = isinstance(self._loss, BCELoss | BCEWithLogitsLoss)
        if not (binary or isinstance(self._loss, NLLLoss)) or (binary and len(self.classes_) > 2):
            raise ValueError(
                f"NetworkClassifier expects CrossEntropyLoss, NLLLoss, or for two classes BCEWithLogitsLoss or "
                f"BCELoss, got {self._loss!r} for {len(self.classes_)} classes"
            )
        self._outputs = 1 if binary else len(self.classes_)

    def _for_loss(self, y: Array) -> Array:
        return y if isinstance(self._loss, NLLLoss) else y[:, None].astype(float_dtype(self.dtype))

    def _finish(self, x: Any, y: Array) -> None:
        """Warn of classes that no row is predicted to have."""
        predicted = self._probabilities(self._predicted(x)).argmax(axis=1)
        for index in np.setdiff1d(y, predicted):
            fix = "class_weight='balanced' makes rare classes count as much as others"
            if self.class_weight is not None:
                fix = "more epochs, a higher lr or other columns may tell it from the others"
            warnings.warn(
                f"NetworkClassifier predicts {plain(self.classes_[index])!r} for none of the {len(y)} rows "
                f"it was trained on, and {np.sum(y == index)} of them have it: {fix}",
                stacklevel=4,
            )


class NetworkRegressor(RegressorMixin, _NetworkEstimator):
    """A network that predicts numbers for the rows of a table, one or several for each.

    The arguments that NetworkClassifier has too mean the same.

    With `standardize_target` the network learns (y − mean) / standard deviation of each output, so that
    the unit of y does not decide how fast it learns, and predictions are in the unit of y again; the
    loss, in `history_` too, is in these units. Switch it off for a network whose last layer bounds its
    output, such as softplus. The loss is MSELoss if none is given.

    Afterwards `network_`, `history_`, `loss_curve_`, `target_mean_`, `target_scale_`, and `n_iter_`, the
    best epoch, can be read.
    """

    _default_loss = "MSELoss"

    def __init__(
        self,
        layers: Any = "64, relu, 64, relu",
        *,
        loss: Any = None,
        optimizer: Any = "Adam",
        lr: float | None = None,
        epochs: int = 200,
        batch_size: int | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 20,
        tol: float = 1e-4,
        refit: bool = True,
        standardize_target: bool = True,
        dtype: str = "float64",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.layers = layers
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.refit = refit
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.standardize_target = standardize_target

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network on rows X (N, features) with numbers y (N,) or (N, outputs)."""
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch more on these rows; the first call decides how targets are standardised."""
        return self._partial_fit(X, y, sample_weight, not hasattr(self, "network_"))

    def predict(self, X: Any) -> Array:
        """Return the numbers of each row, (N,) or (N, outputs) as y was."""
        y = self._output(X) * self.target_scale_ + self.target_mean_
        return y[:, 0] if self._one_axis else y

    def _targets(self, y: Array, weight: Array | None, whole: bool) -> tuple[Array, Array | None]:
        """Return targets (N, outputs)."""
        self._one_axis = y.ndim == 1
        return y.reshape(len(y), -1), weight

    def _measure(self, y: Array, weight: Array | None) -> None:
        if isinstance(self._loss, NLLLoss):
            raise ValueError(
                f"NetworkRegressor expects a loss for numbers, such as MSELoss, got {self._loss!r}"
            )
        self._outputs = y.shape[1]
        self.target_mean_, self.target_scale_ = np.zeros(self._outputs), np.ones(self._outputs)
        if self.standardize_target:
            self.target_mean_ = np.average(y, axis=0, weights=weight)
            scale = np.sqrt(np.average(np.square(y - self.target_mean_), axis=0, weights=weight))
            self.target_scale_ = np.where(scale > 0, scale, 1.0)

    def _for_loss(self, y: Array) -> Array:
        if y.shape[1] != self._outputs:
            raise ValueError(
                f"y has {y.shape[1]} outputs, and the first call of partial_fit had {self._outputs}"
            )
        return ((y - self.target_mean_) / self.target_scale_).astype(float_dtype(self.dtype))

    def _finish(self, x: Any, y: Array) -> None:
        """Nothing is left to be said."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class _WeightedLoss(Loss):
    """A loss of targets whose last column is the weight of the row."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.reduction)
        self.loss = loss

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        y = target[:, 0].astype(np.intp) if isinstance(self.loss, NLLLoss) else target[:, :-1]
        return *self.loss.prepare(prediction, y), target[:, -1]

    def function(self, *arguments: Any) -> Array:
        return _times_rows(arguments[-1], self.loss.function(*arguments[:-1]))

    def derivative(self, *arguments: Any) -> Array:
        return _times_rows(arguments[-1], self.loss.derivative(*arguments[:-1]))

    def divisor(self, *arguments: Any) -> float:
        return self.loss.divisor(*arguments[:-1])


class _SparseRows:
    """The rows of a CSR matrix as a data set, alone or with their targets; a row is dense when it is read."""

    def __init__(self, x: Any, y: Array | None = None) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, i: int) -> Any:
        row = np.zeros(self.x.shape[1], self.x.dtype)
        here = slice(self.x.indptr[i], self.x.indptr[i + 1])
        np.add.at(row, self.x.indices[here], self.x.data[here])  # a place may be stored twice
        return row if self.y is None else (row, self.y[i])


def _times_rows(weight: Array, values: Array) -> Array:
    return values * weight.reshape(-1, *(1,) * (values.ndim - 1))


def _interrupted(history: History) -> bool:
    return history.stopped is not None and history.stopped.startswith("Ctrl-C")
