"""Watching a pass: a function that stands before the forward and backward of every layer of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minitorch_np.layer import Layer

See = Callable[..., Any]

WATCHED: list[
    Layer
] = []  # models whose passes are watched; a compiled step, which makes none, is not made meanwhile


@contextmanager
def watched(
    model: Layer,
    *,
    forward: See | None = None,
    backward: See | None = None,
    loss: Any = None,
    loss_forward: See | None = None,
    loss_backward: See | None = None,
) -> Iterator[None]:
    """Inside, each layer's `forward(x)` is `forward(name, layer, run, x)`, where `run()` is the method itself.

    What it returns is returned. `backward(name, layer, run, dy)` stands before `backward` and before
    `backward_parameters`, whose `run()` returns None; if one of them calls the other, that is one pass.
    `loss_forward(loss, run, prediction, target)` and `loss_backward(loss, run, *dy)` do so for a loss.
    Afterwards the methods are what they were, whatever happened. A copy made inside is not watched.
    """
    running: set[int] = set()  # the layers whose backward is under way

    def once(name: str, layer: Any, run: Callable[[], Any], dy: Any, *_: Any) -> Any:
        if backward is None or id(layer) in running:
            return run()
        running.add(id(layer))
        try:
            return backward(name, layer, run, dy)
        finally:
            running.discard(id(layer))

    with ExitStack() as methods:
        WATCHED.append(model)
        methods.callback(WATCHED.remove, model)
        for name, layer in model.named_modules():
            if forward is not None:
                methods.enter_context(_replaced(layer, "forward", partial(forward, name)))
            if backward is not None:
                methods.enter_context(_replaced(layer, "backward", partial(once, name)))
                methods.enter_context(_replaced(layer, "backward_parameters", partial(once, name)))
        if loss_forward is not None:
            methods.enter_context(_replaced(loss, "forward", loss_forward))
        if loss_backward is not None:
            methods.enter_context(_replaced(loss, "backward", loss_backward))
        yield


@contextmanager
def _replaced(part: Any, method: str, see: See) -> Iterator[None]:
    """Inside, part.method(...) is see(part, run, ...), where run() is the method itself."""
    run, before = getattr(part, method), vars(part).get(method)

    def watched_method(self: Any, *given: Any, **options: Any) -> Any:
        if self is not part:  # a copy: it took this method along
            return getattr(type(self), method)(self, *given, **options)
        return see(part, partial(run, *given, **options), *given, *options.values())

    watched_method.__name__ = method  # so that a bound method can be pickled
    vars(part)[method] = MethodType(watched_method, part)
    try:
        yield
    finally:
        vars(part).pop(method, None)
        if before is not None:
            vars(part)[method] = before
