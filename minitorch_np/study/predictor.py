"""The forward pass as a program of its own: its weights, and a function that predicts."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import as_floats
from minitorch_np.derivation.derive import derive
from minitorch_np.layer import Layer
from minitorch_np.study.any_batch import Sizes, for_any_batch
from minitorch_np.study.array_text import embedded, made_otherwise, save_beside, stored
from minitorch_np.study.program import Predictor, predictor
from minitorch_np.study.targets import usual_shape

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def prediction(
    model: Layer, x: Any, *, data: str | None, seed: int, batch: int, path: str | Path | None = None
) -> str:
    """`handwritten` with train=False."""
    if not isinstance(model, Layer):
        raise TypeError(f"handwritten expects model to be Layer, got {model!r}")
    if data not in (None, "embed", "npz"):
        raise ValueError(
            f"handwritten with train=False writes the weights that the model has, so it expects data to be "
            f"'embed' or 'npz', got {data!r}"
        )
    model = copy.deepcopy(model).eval()
    drawn, x = _example(model, x, seed, batch)
    written = verified(model, x)
    if data == "npz":
        save_beside({"x": x, **written.arrays}, path)
        return written.text(stored(written.arrays), [drawn or 'x = arrays["x"]'])
    weights, example = embedded(written.arrays), [drawn] if drawn else embedded({"x": x})
    wrong = made_otherwise([*weights, *example], {"x": x, **written.arrays})
    if wrong:
        raise RuntimeError(f"the program that was written out does not make {wrong}: a mistake of minitorch_np")
    return written.text(weights, example)


def _example(model: Layer, x: Any, seed: int, batch: int) -> tuple[str, Array]:
    """The line that draws an x, "" for one that was given; and that x."""
    is_shape = isinstance(x, tuple) and all(isinstance(size, int | np.integer) for size in x)
    if x is not None and not is_shape:
        return "", np.array(
            x if model.index_count is not None else as_floats(x, model.dtype, "handwritten", "x")
        )
    shape = tuple(map(int, x)) if is_shape else usual_shape(model, batch, guesses=False)
    if shape is None:
        raise ValueError(
            f"handwritten expects x or its shape (--shape on the command line): {model!r} does not say all "
            "sizes of its x"
        )
    rng = f"np.random.default_rng({seed})"
    if model.index_count is not None:
        line = f"x = {rng}.integers(0, {model.index_count}, {shape})"
    else:
        cast = ".astype(np.float32)" if model.dtype == np.float32 else ""
        line = f"x = {rng}.standard_normal({shape}){cast}"
    scope: dict[str, Any] = {"np": np}
    exec(line, scope)
    return line, scope["x"]


def verified(model: Layer, x: Array) -> Predictor:
    """The program for any batch, or if there is none for that of x; it has the bits of the layers."""
    written = _for_any_batch(model, x)
    if written is not None:
        return written
    written = predictor(derive(model, x=x), str(x.shape))
    said = _difference(written, model, [x, x])
    if said:
        raise RuntimeError(
            f"the program that was written out does not compute what {model!r} does: {said}. Does a layer "
            "compute something else from call to call? Otherwise it is a mistake of minitorch_np."
        )
    return written


def _for_any_batch(model: Layer, x: Array) -> Predictor | None:
    """The program, if one for n samples and one for n + 1 say that it is the same for all."""
    if x.ndim == 0 or len(x) == 0:
        return None
    larger = np.concatenate([x, x[:1]])
    few = derive(model, x=x)
    try:
        more = derive(model, x=larger)
        sizes = Sizes(len(x), next(v for v, origin in few.given if origin.kind == "data"))
        both = for_any_batch(few, more, sizes)
    except Exception:  # it is another program for another batch, or the layers take none
        return None

    def shape(key: str) -> str:
        return sizes.shape(few.variables[key].value.shape, more.variables[key].value.shape)

    written = predictor(both, sizes.shape(x.shape, larger.shape), shape)
    return None if _difference(written, model, [x, x, larger, x[:1], np.concatenate([x, larger])]) else written


def _difference(written: Predictor, model: Layer, batches: list[Array]) -> str:
    """What the program computes otherwise than the layers, for the first of the batches; "" if nothing."""
    names = written.names()
    with np.errstate(all="ignore"):
        for x in batches:
            try:
                theirs = copy.deepcopy(model)(x)
            except Exception:  # a batch that the layers do not take
                continue
            try:
                ours = names["predict"](x.copy())
            except Exception as error:  # of a layer's own functions anything may come
                return f"of an x of shape {x.shape} {type(error).__name__}: {error}"
            if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype) or ours.tobytes() != theirs.tobytes():
                return f"of an x of shape {x.shape} {_first(ours, theirs)}"
    held = {name: array for name, array in written.arrays.items() if isinstance(array, np.ndarray)}
    changed = [name for name, array in held.items() if names[name].tobytes() != array.tobytes()]
    return f"it changes {', '.join(changed)}" if changed else ""


def _first(ours: Array, theirs: Array) -> str:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"it makes {ours.dtype} of shape {ours.shape}, the layers {theirs.dtype} of {theirs.shape}"
    return f"{int((ours != theirs).sum())} of {ours.size} numbers differ"
