"""The forms in which others keep their gradients, each right, and with the gradient of the bias doubled."""

import numpy as np
import pytest

from minitorch_np.study.gradcheck import gradcheck

X = np.random.default_rng(0).standard_normal((5, 4))


class Base:
    factor = 1

    def __init__(self):
        rng = np.random.default_rng(1)
        self.weights, self.bias = rng.standard_normal((4, 3)), np.zeros(3)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def gradients(self, dout):
        return dout @ self.weights.T, self.x.T @ dout, self.factor * dout.sum(axis=0)


class Attributes(Base):
    def backward(self, dout):
        dx, self.dW, self.db = self.gradients(dout)
        return dx


class LongNames(Base):
    def backward(self, dout):
        dx, self.weights_gradient, self.grad_bias = self.gradients(dout)
        return dx


class Returned(Base):
    def backward(self, dout):
        return self.gradients(dout)


class ReturnedByName(Base):
    def backward(self, dout):
        dx, dw, db = self.gradients(dout)
        return {"dx": dx, "dweights": dw, "dbias": db}


class InADict(Base):
    def backward(self, dout):
        dx, dw, db = self.gradients(dout)
        self.grads = {"dW": dw, "db": db}
        return dx


class InLists(Base):
    def __init__(self):
        super().__init__()
        self.params, self.grads = [self.weights, self.bias], [None, None]

    def backward(self, dout):
        dx, *self.grads = self.gradients(dout)
        return dx


class Steps(Base):
    def backward(self, output_gradient, learning_rate):
        dx, dw, db = self.gradients(output_gradient)
        self.weights -= learning_rate * dw
        self.bias = self.bias - learning_rate * db
        return dx


class OwnRate(Base):
    def __init__(self, learning_rate=0.05):
        super().__init__()
        self.learning_rate = learning_rate

    def backward(self, dout):
        dx, dw, db = self.gradients(dout)
        self.weights -= self.learning_rate * dw
        self.bias = self.bias - self.learning_rate * db
        return dx


class WithCache(Base):
    def forward(self, x):
        return super().forward(x), x

    def backward(self, dout, cache):
        assert cache is self.x
        dx, self.dweights, self.dbias = self.gradients(dout)
        return dx


class NothingReturned(Base):
    def forward(self, x):
        self.output = super().forward(x)

    def backward(self, dvalues):
        self.dinputs, self.dweights, self.dbias = self.gradients(dvalues)


class Late(Base):
    """Its weights are made in the first forward pass."""

    def __init__(self):
        self.weights = self.bias = None

    def forward(self, x):
        if self.weights is None:
            Base.__init__(self)
        return super().forward(x)

    backward = Attributes.backward


FORMS = [
    Attributes, LongNames, Returned, ReturnedByName, InADict, InLists, Steps, OwnRate, WithCache,
    NothingReturned, Late,
]  # fmt: skip


def test_each_form_of_gradients_is_found():
    for form in FORMS:
        layer = form()
        assert gradcheck(layer, X), form
        layer.factor = 2
        with pytest.raises(ValueError, match=r"(bias|params\[1\]): .*\n +it is twice the right one") as error:
            gradcheck(layer, X)
        assert str(error.value).count("difference quotient") == 1, form


def test_integers_and_options_are_constants():
    def lookup(ids, table, scale):
        return scale * table[ids], (ids, table, scale)

    def right(dout, cache):
        ids, table, scale = cache
        gradient = np.zeros_like(table)
        np.add.at(gradient, ids, scale * dout)
        return gradient

    def wrong(dout, cache):
        ids, table, scale = cache
        gradient = np.zeros_like(table)
        gradient[ids] = scale * dout
        return gradient

    ids, table = np.array([[1, 4, 1], [0, 1, 2]]), np.random.default_rng(2).standard_normal((5, 3))
    assert gradcheck((lookup, right), ids, table, 2.0)
    with pytest.raises(ValueError, match=r"where an index stands twice .* np.add.at\(dtable, x, dy\)"):
        gradcheck((lookup, wrong), ids, table, 2.0)


class RowBias(Base):
    """Its bias is a row, and the gradient of that a vector, which `bias -= lr * db` takes all the same."""

    def __init__(self):
        super().__init__()
        self.bias = self.bias[np.newaxis]

    backward = Attributes.backward


def test_a_gradient_may_lack_leading_axes_of_length_1():
    assert gradcheck(RowBias(), X)

    class Column(RowBias):
        def forward(self, x):
            self.x = x
            return x @ self.weights + self.bias.T

        def __init__(self):
            Base.__init__(self)
            self.bias = self.bias[:, np.newaxis]

    with pytest.raises(
        ValueError, match=r"bias: the gradient should be an array of shape \(3, 1\), got \(3,\)"
    ):
        gradcheck(Column(), X)


def test_inputs_of_which_a_loss_returns_no_gradient_are_constants():
    def loss(w, x, factor):
        d = x @ w
        return 0.5 * np.square(d).sum(), factor * x.T @ d

    w = np.random.default_rng(2).standard_normal((4, 3))
    assert gradcheck(loss, w, X, 1.0)
    with pytest.raises(ValueError, match="it is twice the right one"):
        gradcheck(loss, w, X, 2.0)
