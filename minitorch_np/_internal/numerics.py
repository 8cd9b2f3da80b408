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


def softplus(x: Array) -> Array:
    """ln(1 + e^x), as max(x, 0) + ln(1 + e^−|x|), whose power cannot overflow."""
    return x.clip(0, np.inf) + np.log1p(np.exp(-np.abs(x)))


def erf(x: Array) -> Array:
    """The error function, erf(x) = 2/√π ∫₀ˣ e^−t² dt; relative error below 2e-15 (float32: 5e-7).

    erf(x)/x is a function of x² that falls slowly, so that a quotient of two polynomials in x²
    follows it from 0 to the end, beyond which erf rounds to 1. All coefficients are positive: nothing cancels.
    Beyond that end x stays at the end.
    """
    p, q, end = _ERF[x.dtype.itemsize]
    x = np.clip(x, -end, end)
    z = x * x
    y = x * _polynomial(p, z) / _polynomial(q, z)
    return np.clip(y, -1, 1, out=y)


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


# By bytes of a float: the two polynomials, and where erf is 1. Fitted to the least relative error in 60
# digits; the numerators are larger by a rounding error (4e-16, 1.5e-7), so that the end is not below 1.
_ERF: dict[int, Any] = {
    8: (
        (
            1.128379167095513,
            0.22078091186073942,
            0.06622256820153842,
            0.0069213910058698236,
            0.0008582665977205291,
            5.72764940050143e-05,
            3.9156734302543335e-06,
            1.704662182325357e-07,
            6.7773328619382795e-09,
            1.7236528894522403e-10,
            3.3092572678194923e-12,
            2.1813342623726864e-14,
            1.5240988236775917e-17,
        ),
        (
            1.0,
            0.5289953220503312,
            0.13501999702963557,
            0.022050580351887443,
            0.002574309802044771,
            0.00022709037732150406,
            1.5573652425637293e-05,
            8.391166447683596e-07,
            3.530733118316721e-08,
            1.1274384931426133e-09,
            2.5452052359304083e-11,
            3.2703408923026874e-13,
            8.625497047936419e-16,
        ),
        6.0,
    ),
    4: (
        (
            1.1283793449401855,
            0.1916702687740326,
            0.052852265536785126,
            0.003803308354690671,
            0.00028283160645514727,
            2.0015097561554285e-06,
        ),
        (
            1.0,
            0.5031962394714355,
            0.11457382887601852,
            0.015045922249555588,
            0.0011663488112390041,
            3.748329618247226e-05,
        ),
        4.0,
    ),
}
