"""Functions in the forms that Python has; each is gone through, and its statements compute what it does."""

import contextlib
import functools
import warnings

import numpy as np

FORMS = []


class Held:
    n = 1

    def __init__(self, x):
        self.x = x

    def multiples(self):
        yield self.n
        yield 2 * self.n


REFUSED = {}


def form(function):
    FORMS.append(function)
    return function


def refused(message):
    def note(function):
        REFUSED[function] = message
        return function

    return note


@form
def assignment_expression(x):
    return (y := x + 1) * y


@form
def unpacking(x):
    first, *middle, last = x
    (a, b), *_ = [(1, 2), 3]
    return np.stack([first, *middle, last * a, *[last] * b])


@form
def unpacked_arrays(x):
    mantissa, exponent = np.frexp(x)
    a = b = mantissa * 2
    a += 1
    return b + exponent


@form
def dictionaries(x):
    parts = {"a": x, "b": 2 * x}
    parts["c"] = parts["a"]
    parts["b"] += 1
    doubled = {key: 2 * value for key, value in parts.items()}
    return sum(doubled.values()) * len({1, 2, *x.shape} | {n for n in range(9) if n > 6})


@form
def while_loops(x):
    n: int = 5
    while n:
        n -= 1
        if n == 3:
            continue
        x = x * 2
        if n == 1:
            break
    else:
        x = x * 0
    while n < 3:
        n += 1
    return x + n


@form
def for_loops(x):
    for i, row in enumerate(x):
        if i == 1:
            break
        x = x + row
    for _ in zip(range(2), x, strict=False):
        pass
    return x
    return None


@form
def deletion(x):
    held, parts = Held(x), [x, 2 * x]
    y = held.x
    del held.x, parts[0], x
    return y + parts[0] * hasattr(held, "x")


@form
def imports(x):
    import math
    from math import pi

    return x * math.tau + pi


@form
def inner_functions(x):
    def twice(function):
        return lambda *args, **options: function(*args, **options) * 2

    @twice
    def moved(a, /, b: int = 1, *others, c=3, d, **more) -> "unknown":  # noqa: F821
        return a + b + c * d + sum(others) + sum(more.values())

    return moved(x, d=2) + moved(x, 2, 5, c=1, d=4, e=3)


@form
def partial(x):
    return functools.partial(np.power, 2.0)(x) + functools.partial(np.clip, a_max=0.5)(x, a_min=0)


def sizes(array):
    yield from array


@form
def generators(x):
    for _ in range(int(np.ones(2).sum())):
        x = x * sum(n for n in sizes([2, 3]))
    return x * sum(Held(1).multiples())


ARRAYS = {"a": np.arange(3.0), "b": np.ones(3)}


def never_complete():
    def function(x):
        return x if x.ndim else later

    if function is None:
        later = 0
    return function


incomplete = never_complete()


@form
def arrays_outside(x):
    return incomplete(x) * ARRAYS.get("a") + np.stack([*ARRAYS.values()]).sum(axis=0)


@form
def attributes(x):
    held = Held(x)
    held.n += getattr(held, "more", 2)
    held.x = held.x + getattr(held, "x")  # noqa: B009
    return held.x * held.n if isinstance(held.n, int) and callable(len) else x


@form
def logic(x):
    size = x.size or 1
    large = 0 < x.max() < 1 and x.min() > -1
    return (x * 2 if large else x / size) + (not x.size) + (x.max() is None) + (2 in [1, 2])


@form
def branches(x):
    a, b = x, 0.0
    if x.sum() > 0:
        a, b = 2 * x, 1.0
        c = (a, x + 1)
    else:
        c = (x - 1, x)
    if not x.max() > 5:
        pass
    else:
        a = a + 1
    return a + b + c[0] * c[1]


@form
def early_return(x):
    if x.sum() > 0:
        return np.abs(x)
    x = x * 3
    if x.max() > 1:
        warnings.warn("large", stacklevel=2)
    return x


@form
def with_blocks(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = x + 1
    with np.errstate(divide="ignore"), np.errstate(invalid="ignore"):
        return 1 / x
    return None


@form
def texts(x):
    key = f"{'a'!r}{x.shape[1]:>3}{2!s}"
    return {"'a'  32": x + 1}[key]


@form
def factors_of_one(x):
    """A copy stays one where something changes."""
    y = x * 1
    y += np.exp(1 * x) / 1
    view = (1.0 * x).T
    view[0] += 3
    flat = np.reshape(x * 1, -1)
    flat += 7
    return np.where(1 * x > 0, x, -x * 1) + y + x + view.T + flat.sum()


@form
def changes_of_views(x):
    y = x + 0
    y[0].fill(2)
    y[:, 1] *= 3
    np.add.at(y.T, 0, 1.0)
    np.multiply(x[0], 5, out=y[-1])
    np.negative(y.T, y.T)
    np.nan_to_num(y[:1], copy=False)
    (y[0] + 1).sort()
    np.copyto(dst=y[0], src=x[1])
    return y + np.nan_to_num(x / x, copy=False)


@form
def sums_and_sizes(x):
    n, shape = len(x), np.shape(x)
    return (
        max(float(x.max()), 0.5) * x.astype(float)
        + n * shape[1]
        + x[x > 0].size
        + len(x[x > 0])
        + x[x > 0].shape[0]
    )


@form
def order_of_evaluation(x):
    y = x * 0

    def tick():
        y[0] += 1
        return 2.0

    return (x - y) * tick() + y


@form
def elements(x):
    parts = list(x)
    parts[0] = parts[0] * 2
    parts[0] += 1
    parts[1:2] = []
    return np.stack(parts) + sum(map(abs, parts))


@form
def with_finally(x):
    try:
        return x + 1
    finally:
        x = x * 2


@refused("NameError: nowhere is not defined")
def unknown_name(x):
    return x + nowhere  # noqa: F821


@refused("`(yield x)` cannot be written out")
def unknown_expression(x):
    def yields():
        yield x

    return yields()


@refused("`global FORMS` cannot be written out")
def unknown_statement(x):
    global FORMS  # noqa: PLW0602
    return x


@refused("ValueError: 2 values for 3 names")
def too_few_arrays(x):
    a, b, c = np.split(x, 2)
    return a + b + c


@refused("ValueError: 1 values for 3 names")
def too_few(x):
    a, *b, c = [x]
    return a + b + c


@refused("the loop has not ended after 10000 turns")
def endless(x):
    while True:
        pass
    return x


@refused("functions call each other without an end")
def recursive(x):
    def again(y):
        return again(y)

    return again(x)


@refused("TypeError: <lambda>() missing 1 required positional argument: 'y'")
def missing_argument(x):
    identity = lambda y: y  # noqa: E731
    return identity()


@refused("elements of an array cannot be deleted")
def deleted_row(x):
    del x[0]
    return x


@refused("`del (x, x)` cannot be written out")
def deleted_tuple(x):
    del (x, x)  # noqa: F821


@refused("a loop is left where that depends on the numbers in the network")
def left_loop(x):
    for _ in range(2):
        if x.max() > 0:
            break
    return x


@refused("index of a list depends on the numbers in the network")
def found_in_a_list(x):
    return [x, x].index(x)


@refused("KeyError: 'b'")
def missing_key(x):
    return {"a": x}["b"]


@refused("IndexError: pop from empty list")
def empty_list(x):
    return [].pop()


@refused("whether there is a value depends on the numbers in the network")
def perhaps_an_array(x):
    y = None
    if x.max() > 0:
        y = x
    return x if isinstance(y, np.ndarray) else 0


@refused("which function is called depends on the numbers in the network")
def called_array(x):
    return (x > 0)()


@refused("the state of a generator cannot be written out")
def state_of_a_generator(x):
    return np.random.default_rng(0).bit_generator


@refused("a global random generator: hold a np.random.Generator")
def global_generator(x):
    return x * np.random.rand()  # noqa: NPY002


@refused("np.allclose depends on the numbers in the network")
def compared(x):
    return x if np.allclose(x, 0) else 2 * x


@refused("sorted(…) depends on the numbers in the network")
def sorted_rows(x):
    return sorted(x)


@refused("open leads outside NumPy")
def opened(x):
    return open(x)


@refused("`with contextlib.suppress(ValueError)` leads outside")
def opened_file(x):
    with contextlib.suppress(ValueError):
        return x


@refused("what a list or a dict holds depends on the numbers in the network")
def deleted_in_a_branch(x):
    parts = [x, x]
    if x.max() > 0:
        del parts[0]
    return parts[0]


@refused("the attribute real of Expression cannot be set")
def attribute_of_an_array(x):
    x.real = 2
    return x
