"""Module: registration of parameters, buffers and child layers, and their names."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minitorch_np._internal.arrays import aligned_zeros, as_floats, float_dtype
from minitorch_np._internal.names import ChecksArguments, NameElsewhere
from minitorch_np._internal.reprs import call_arguments, constructor_arguments
from minitorch_np._internal.validation import StateMismatch, check_layout, fitting_state
from minitorch_np.parameter import Counted, Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array

ELSEWHERE = {  # torch's and Keras' words for what a layer does here
    **dict.fromkeys(("to", "type", "cast", "half", "bfloat16"), "astype, model.astype('float32')"),
    "float": "astype, model.astype('float32')",
    "double": "astype, model.astype('float64')",
    **dict.fromkeys(("cuda", "cpu", "xpu", "mps"), "always the processor: leave the call out"),
    "register_buffer": "buffer_names, a tuple of attribute names in the class",
    "register_parameter": "an attribute, layer.weight = Parameter(array)",
    "add_module": "append or insert of a Sequential, or an attribute",
    "register_module": "append or insert of a Sequential, or an attribute",
    "add": "append",
    "fit": "a function, minitorch_np.fit(model, loss, optimizer, x, y)",
    "evaluate": "a function, minitorch_np.evaluate(model, loss, x, y)",
    "predict": "a function, minitorch_np.predict(model, x)",
    "summary": "a function, minitorch_np.summary(model, x)",
    "save": "a function, minitorch_np.save(path, model)",
    "save_weights": "a function, minitorch_np.save(path, model)",
    "load_weights": "a function, minitorch_np.load(path, model)",
    "get_weights": "state_dict()",
    "set_weights": "load_state_dict(state)",
    "weights": "parameters() or state_dict()",
    "trainable_weights": "parameters()",
    "count_params": "sum(parameter.size for parameter in model.parameters())",
    "requires_grad_": "the choice of parameters that the optimizer is given",
    "named_layers": "named_modules()",
}


class Module(ChecksArguments, Counted):
    """Parameters and layers that are attributes are registered under their attributes' names.

    They come in the order in which they were first assigned, with dots between the levels as in
    torch: `0.weight`.

    A buffer is an array of floats that is saved with the parameters and never learned, such as a mean
    of the data. A class names the attributes that are buffers in `buffer_names`.
    """

    buffer_names: tuple[str, ...] = ()
    transposed_in_torch: tuple[str, ...] = ()  # parameters that torch stores the other way round
    training: bool = True
    is_inside: bool = False  # whether this is a part of another layer, whose backward needs its dx
    _dtype: np.dtype[Any] | None = None  # of this layer's own parameters and buffers

    _options: frozenset[str] = frozenset()  # arguments of the constructor, of a layer of this package

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        is_ours = cls.__init__.__module__.startswith("minitorch_np.layers.")
        cls._options = frozenset(constructor_arguments(cls)) - {"rng", "dtype"} if is_ours else frozenset()

    def __init__(self) -> None:  # the signature of a class that takes no arguments
        super().__init__()

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the layers directly inside this one, by name."""
        for name, value in list(vars(self).items()):  # another thread may add what it saves meanwhile
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the layers directly inside this one."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this layer and all below it, by dotted name; refuse one object at two places."""
        seen: dict[int, str] = {}
        pending: list[tuple[str, Module]] = [(prefix, self)]
        while pending:
            name, layer = pending.pop()
            if id(layer) in seen:
                raise ValueError(
                    f"{layer!r} stands at two places of a network, {seen[id(layer)]!r} and {name!r}: a layer "
                    f"saves what its backward needs, so make a second one (copy.deepcopy gives equal weights)"
                )
            seen[id(layer)] = name
            yield name, layer
            inner = [(f"{name}.{child}" if name else child, value) for child, value in layer.named_children()]
            pending += reversed(inner)

    def modules(self) -> Iterator[Module]:
        """Yield this layer and all below it."""
        return (layer for _, layer in self.named_modules())

    def _named_arrays(self, prefix: str = "") -> Iterator[tuple[str, Module, str]]:
        """Yield the dotted name, layer and attribute of every parameter and buffer, in torch's order."""
        for layer_name, layer in self.named_modules(prefix):
            own = [name for name, value in list(vars(layer).items()) if isinstance(value, Parameter)]
            for name in (*own, *layer.buffer_names):
                if getattr(layer, name, None) is not None:
                    yield f"{layer_name}.{name}" if layer_name else name, layer, name

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters by torch's names, in the order of definition."""
        for dotted, layer, name in self._named_arrays(prefix):
            if name not in layer.buffer_names:
                yield dotted, getattr(layer, name)

    def parameters(self) -> Iterator[Parameter]:
        """Yield the parameters, in the order of definition."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Array]]:
        """Yield the buffers by torch's names; one that is None is left out."""
        for dotted, layer, name in self._named_arrays(prefix):
            if name in layer.buffer_names:
                yield dotted, getattr(layer, name)

    def buffers(self) -> Iterator[Array]:
        """Yield the buffers, in the order of their layers."""
        return (buffer for _, buffer in self.named_buffers())

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The dtype of the parameters, or of the buffers if there are none; None without either."""
        arrays: list[Any] = [*self.parameters(), *self.buffers()]
        return arrays[0].dtype if arrays else None

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below; return the layer."""
        for layer in self.modules():
            layer.training = mode
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert parameters and buffers to float64 or float32, in place as torch's `to`; return the layer."""
        dtype = float_dtype(dtype)
        for layer in self.modules():
            vars(layer).pop("_saved", None)  # in the old precision
            for value in vars(layer).values():
                if isinstance(value, Parameter) and value.dtype != dtype:
                    value.rebind(aligned_zeros(value.size, dtype), aligned_zeros(value.size, dtype), owner=None)
                    layer._dtype = dtype
            buffers = {name: getattr(layer, name, None) for name in layer.buffer_names}
            for name, buffer in buffers.items():
                if buffer is not None:
                    layer._dtype = dtype
                    setattr(layer, name, buffer.astype(dtype))
        return self

    def zero_grad(self) -> None:
        """Throw all gradients away (a training loop needs no such call: `step()` consumes them)."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self, *, layout: str | None = None) -> dict[str, Array]:
        """Return copies of all parameters and buffers, by torch's names and in torch's order.

        torch stores the weight of a Linear transposed: with `layout="torch"` it is that here too.
        """
        check_layout("state_dict", layout)
        return {
            dotted: (array.T if layout and name in layer.transposed_in_torch else array).copy()
            for dotted, layer, name in self._named_arrays()
            for array in [_array(layer, name)]
        }

    def load_state_dict(
        self, state: Mapping[str, Any], strict: bool = True, *, layout: str | None = None
    ) -> StateMismatch:
        """Copy the arrays of `state` into the parameters and buffers of the same names.

        What does not fit (a missing or unexpected key, a wrong shape) is listed in one ValueError,
        and nothing is changed. With `strict=False` keys may be missing or unexpected; they are
        returned. torch stores the weight of a Linear transposed: `layout="torch"` turns it round. A
        state of torch tensors that does not say so is refused, since a square weight fits both ways.
        """
        places = {dotted: (layer, name) for dotted, layer, name in self._named_arrays()}
        turned = [dotted for dotted, (layer, name) in places.items() if name in layer.transposed_in_torch]
        check_layout("load_state_dict", layout)
        if layout is None and turned and _is_of_torch(state):
            raise ValueError(
                f"this state is of torch, which stores {', '.join(turned)} transposed: "
                "load_state_dict(state, layout='torch') turns it round"
            )
        if isinstance(state, Mapping):
            state = {  # but for torch's counts, where nothing here needs one
                name: np.asarray(value).T if layout == "torch" and name in turned else value
                for name, value in state.items()
                if name in places or not str(name).endswith("num_batches_tracked")
            }
        current = {dotted: _array(*place) for dotted, place in places.items()}
        arrays, mismatch = fitting_state(repr(self), current, state, strict)
        for dotted, array in arrays.items():
            layer, name = places[dotted]
            if name in layer.buffer_names:
                setattr(layer, name, array)
            else:
                getattr(layer, name).data = array
        return mismatch

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the innermost layers first, so that no network is nested too deeply to be copied."""
        inside: list[Module] = [self]
        for layer in inside:  # it grows
            inside += layer.children()
        for layer in reversed(inside):
            if id(layer) not in memo:
                _copy_without_layers(layer, memo)
        made: Self = memo[id(self)]
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(old, Parameter) and not isinstance(value, Parameter | None):
            raise TypeError(
                f"{name} of {self!r} is a Parameter: assign the array to its data, .{name}.data = ..."
            )
        if isinstance(old, Module) and not isinstance(value, Module | None):
            raise TypeError(f"{name} of {self!r} is a layer, got {type(value).__name__}")
        if name in self.__dict__ and name in self._options and Parameter not in (type(old), type(value)):
            value = self._changed_option(name, value)
        if isinstance(value, Module):
            value.is_inside = True
        elif isinstance(value, Parameter):
            if isinstance(old, Parameter) and old.shape != value.shape:
                raise ValueError(
                    f"{name} of {self!r} has shape {old.shape}, got a Parameter of shape {value.shape}"
                )
            others = [v for n, v in vars(self).items() if isinstance(v, Parameter) and n != name]
            if any(other.dtype != value.dtype for other in others):
                raise TypeError(f"{name} of {self!r} is {value.dtype}, its other parameters {others[0].dtype}")
            value.is_transposed_in_torch = name in self.transposed_in_torch
            super().__setattr__("_dtype", value.dtype)
        if name in self.buffer_names and value is not None:
            value = as_floats(value, self._dtype, self, name)
            if old is not None and old.shape != value.shape:
                raise ValueError(f"{name} of {self!r} has shape {old.shape}, got one of shape {value.shape}")
            super().__setattr__("_dtype", value.dtype)
        super().__setattr__(name, value)

    def _changed_option(self, name: str, value: Any) -> Any:
        """Return an argument of the constructor that is set afterwards as a new layer has it.

        What else is different in that layer is set as well, here and in the layers inside. Raises what the
        constructor raises, and ValueError where the new layer has other parameters or buffers.
        """
        given, options = call_arguments(self)
        after = type(self)(*given, **options | {name: value})
        if isinstance(value, Module):
            return value
        before = type(self)(*given, **options)
        old, new = (
            {dotted: _array(layer, attribute).shape for dotted, layer, attribute in each._named_arrays()}
            for each in (before, after)
        )
        if old != new:
            raise ValueError(
                f"{self!r} has its arrays for the {name} that it was made with: make the layer anew, {after!r}"
            )
        for layer, attribute, changed in _differences(self, before, after):
            if isinstance(changed, Module):
                changed.is_inside = True
            object.__setattr__(layer, attribute, changed)
        return vars(after)[name]


for _name, _here in ELSEWHERE.items():  # a __getattr__ would make every access to an attribute slower
    setattr(Module, _name, NameElsewhere(_name, _here))


def _differences(layer: Module, before: Module, after: Module) -> Iterator[tuple[Module, str, Any]]:
    """Layer, attribute and value of what is different in `after`, but for arrays and random generators."""
    for name in {**vars(before), **vars(after)}:
        old, new, inside = (vars(each).get(name) for each in (before, after, layer))
        if isinstance(old, Module) and isinstance(new, Module) and isinstance(inside, Module):
            yield from _differences(inside, old, new)
        elif not isinstance(old, Parameter | np.ndarray | np.random.Generator) and old != new:
            yield layer, name, new


def _copy_without_layers(layer: Module, memo: dict[int, Any]) -> None:
    """Put a copy of a layer into `memo`, where those of the layers inside it are."""
    if type(layer).__deepcopy__ is not Module.__deepcopy__:
        memo[id(layer)] = layer.__deepcopy__(memo)
        return
    reduced: Any = layer.__reduce_ex__(4)
    function, arguments, *rest = reduced
    copied = memo[id(layer)] = function(*copy.deepcopy(arguments, memo))
    state = copy.deepcopy(rest[0] if rest else {}, memo)
    if hasattr(copied, "__setstate__"):
        copied.__setstate__(state)
    else:
        vars(copied).update(state or {})


def _array(layer: Module, name: str) -> Array:
    value = getattr(layer, name)
    return value.data if isinstance(value, Parameter) else value


def _is_of_torch(state: Any) -> bool:
    """Whether a state_dict says that torch made it: its arrays are tensors, or it has torch's metadata."""
    if hasattr(state, "_metadata"):
        return True
    values = state.values() if isinstance(state, Mapping) else ()
    return any(type(value).__module__.partition(".")[0] == "torch" for value in values)
