"""Functions of arrays that NumPy lacks, or has only in a slower or less stable form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Function = TypeVar("Function", bound=Callable[..., Any])

SMALL = 64 * 1024  # bytes
FEW = 4 * 1024  # numbers
LARGE = 32 * 1024  # numbers
BITS: dict[int, np.dtype[Any]] = {
    8: np.dtype(np.int64),
    4: np.dtype(np.int32),
}  # an integer as wide as a float of so many bytes
TRUE = np.array(1, np.int8)  # as an array it meets another without being converted


def same_bits_as(plain: Callable[..., Any]) -> Callable[[Function], Function]:
    """Mark a function as a faster way to the bits of a plain one: by hand one would write that."""

    def mark(function: Function) -> Function:
        vars(function)["plain_form"] = plain
        return function

    return mark


def plain_form(function: Callable[..., Any]) -> Any:
    """Return the plain function that this one has the bits of, if it is a faster way to them; else None."""
    return getattr(function, "plain_form", None)


def _zeroed(mask: Array, a: Array) -> Array:
    b = a.copy()
    b[mask] = 0
    return b


@same_bits_as(_zeroed)
def zero_where(mask: Array, a: Array) -> Array:
    """Return a copy of `a` with +0 where `mask` is true: `b = a.copy(); b[mask] = 0`, bit for bit.

    Both that and `np.where` branch at every element, and on a random mask the processor guesses
    wrong half the time. Here the bits of `a` meet an integer mask instead, at a third of the time.
    Multiplying by a mask would be as fast, but turns negative numbers into −0 and infinities into
    NaN.
    """
    b: Array = (mask.view(np.int8) - TRUE).astype(BITS[a.dtype.itemsize])  # true: 0; false: −1, every bit set
    b &= a.view(b.dtype)
    return b.view(a.dtype)


def _chosen(mask: Array, a: float, b: float, dtype: np.dtype[Any]) -> Array:
    return np.where(mask, a, b).astype(dtype, copy=False)


@same_bits_as(_chosen)
def choose(mask: Array, a: float, b: float, dtype: np.dtype[Any]) -> Array:
    """`np.where(mask, a, b)` for two numbers, without its branch: b, with the differing bits of a put in."""
    if mask.size < FEW:
        return _chosen(mask, a, b, dtype)
    bits_a, bits_b = np.array([a, b], dtype).view(BITS[np.dtype(dtype).itemsize])
    c: Array = (-mask.view(np.int8)).astype(bits_a.dtype)  # true: −1, every bit set
    c &= bits_a ^ bits_b
    c ^= bits_b
    return c.view(dtype)


@same_bits_as(np.where)
def where(mask: Array, a: Any, b: Array) -> Array:
    """`np.where(mask, a, b)`, without its branch at every element, once these are many.

    `b` is an array, `a` one of its dtype or a number; both may broadcast to the shape of `mask`.
    """
    if mask.size < FEW:
        return np.where(mask, a, b)
    bits = BITS[b.dtype.itemsize]
    c: Array = (-mask.view(np.int8)).astype(bits)  # true: −1, every bit set
    c &= np.asarray(a, b.dtype).view(bits) ^ b.view(bits)
    c ^= b.view(bits)
    return c.view(b.dtype)


@same_bits_as(np.maximum)
def maximum(a: Array, number: float) -> Array:
    """`np.maximum(a, number)`, bit for bit; of an array and a number NumPy's vector instructions are in clip.

    −0 is not such a number.
    """
    if a.nbytes <= SMALL:
        return np.maximum(a, number)
    y = a.clip(number, np.inf)
    if number == 0:
        y += 0.0  # clip leaves −0 as it is
    return y


@same_bits_as(lambda a, b: a.dot(b))
def product(a: Array, b: Array, out: Array) -> Array:
    """The matrix product a b, written into `out`.

    np.dot gets going in half the time of np.matmul and knows outer products (one sample), but it
    clears `out` first, which costs more than that if `out` is large. Both hand the product to
    the same BLAS and return the same bits.
    """
    return (np.dot if out.nbytes <= SMALL or len(b) == 1 else np.matmul)(a, b, out=out)


@same_bits_as(lambda a: a.sum(axis=0))
def sum_rows(a: Array, out: Array) -> Array:
    """The sum over the first axis, written into `out`, without what `a.sum` does before."""
    return np.add.reduce(a, out=out)


@same_bits_as(lambda a, index: a[index])
def rows_at(a: Array, index: Array) -> Array:
    """The bits of `a[index]`, in half the time or less."""
    return a.take(index.astype(np.intp, copy=False), axis=0)  # NumPy 2.0 takes no uint64


def scattered(index: Array, rows: Array, shape: tuple[int, ...]) -> Array:
    """Row i is the sum of those of the `rows` that have the index i; 0 where there are none."""
    a = np.zeros(shape, rows.dtype)
    np.add.at(a, index, rows)
    return a


def add_rows(a: Array, index: Array, rows: Array) -> None:
    """The bits of `np.add.at(a, index, rows)`, in a fifth of the time: one after the other, in their order.

    NumPy has a fast loop for single numbers only, so each gets an index of its own.
    """
    width = a.shape[1]
    places = index.astype(np.intp, copy=False)[:, np.newaxis] * width + np.arange(width)
    np.add.at(a.reshape(-1), places.reshape(-1), rows.reshape(-1))


@same_bits_as(scattered)
def summed_rows(index: Array, rows: Array, shape: tuple[int, ...]) -> Array:
    """The bits of `scattered`, in less time."""
    a = np.zeros(shape, rows.dtype)
    add_rows(a, index, rows)
    return a


@same_bits_as(lambda a: a.sum())
def total(a: Array) -> Any:
    """The bits of `a.sum()`, in less time."""
    return np.add.reduce(a, axis=None)


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + e^−x), without a warning where e^−x is too large for a float: there σ is 0."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def normal_cdf(x: Array) -> Array:
    """Φ(x) = (1 + erf(x/√2)) / 2, the distribution function of the normal distribution, for |x| up to 1000.

    It is (1 + tanh u) / 2, where u/x is a function of x² so smooth that a quotient of two short polynomials
    follows it: Φ is right within 2e-16 (float32: 2e-7). All coefficients are positive: nothing cancels.
    """
    p, q = _NORMAL_CDF[x.dtype.itemsize]
    z = x * x
    u = x * _polynomial(p, z) / _polynomial(q, z)
    return 0.5 + 0.5 * np.tanh(u)


def _polynomial(coefficients: tuple[float, ...], z: Array) -> Array:
    """c₀ + c₁ z + c₂ z² + …, by Horner's rule."""
    *rest, last = coefficients
    y = last * z
    for c in rest[:0:-1]:
        y += c
        y *= z
    y += rest[0]
    return y


def logsumexp(x: Array, axis: int, keepdims: bool = False) -> Array:
    """log Σ exp(x) along `axis`: −inf for a row of −inf, +inf for a row with +inf and no NaN."""
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isinf(largest), 0, largest)  # inf − inf would be NaN
    with np.errstate(over="ignore", divide="ignore"):
        y: Array = largest + np.log(np.exp(x - largest).sum(axis=axis, keepdims=True))
    return y if keepdims else y.squeeze(axis)


def log_softmax(x: Array, axis: int) -> Array:
    """log softmax(x) = x − log Σ exp(x) along `axis`."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
        y: Array = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return y


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / Σ exp(x), with the sum over one axis: positive numbers that sum to 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    y: Array = e / e.sum(axis=axis, keepdims=True)
    return y


def weighted(weight: Array, a: Array) -> Array:
    """weight · a, and 0 where the weight is 0, whatever `a` is there: 0 · log 0 = 0.

    `weight` broadcasts to the shape of `a`. That is the limit of p log p, and it keeps what does not
    count (an ignored sample, a class without a target) from turning a sum into NaN.
    """
    return np.multiply(weight, a, out=np.zeros_like(a), where=weight != 0)


# By bytes of a float: the two polynomials. Fitted to the least error of Φ, in 60 digits.
_NORMAL_CDF: dict[int, Any] = {
    8: (
        (
            0.7978845608028639,
            0.17224532218316788,
            0.024191775809539923,
            0.0021091571654746335,
            0.00013254552931210592,
            5.6371125204635315e-06,
            1.6085899854657892e-07,
            2.4260529673332294e-09,
            7.729925371426758e-12,
        ),
        (
            1.0,
            0.17033757325605914,
            0.02260908294855521,
            0.0016870883260411559,
            9.790104659509077e-05,
            3.4575390321766128e-06,
            8.495054592419019e-08,
            7.048754043207916e-10,
            5.941608724932616e-13,
        ),
    ),
    4: (
        (0.797885231, 0.0916033523, 0.00503079239, 5.78538401e-05),
        (1.0, 0.0692727378, 0.00318963067),
    ),
}
