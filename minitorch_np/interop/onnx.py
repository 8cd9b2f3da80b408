"""Networks as ONNX models, for onnxruntime, Netron and whatever else reads them."""

# mypy: disable-error-code="import-untyped, import-not-found"
from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

try:
    import onnx
except ModuleNotFoundError:
    raise ImportError("minitorch_np.interop.onnx needs onnx: pip install 'minitorch-np[onnx]'") from None

import minitorch_np
from minitorch_np._internal.arrays import FLOATS, float_dtype
from minitorch_np._internal.atomic_write import check_writable, replaced
from minitorch_np._internal.validation import whole
from minitorch_np.interop.onnx_layers import TABLE, exports
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import _OfFunctions
from minitorch_np.parameter import Parameter
from minitorch_np.study.targets import usual_shape

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array

__all__ = ["Graph", "Value", "exports", "to_onnx"]

OPSET = 20  # of December 2023, the first with Gelu
OLDEST = 18  # the first in which the axes of all reductions are inputs

ELSEWHERE = "handwritten(model, x=x, train=False) writes any network as a program of NumPy alone"


def to_onnx(
    model: Layer,
    path: str | Path | None = None,
    x: Any = None,
    *,
    dtype: DTypeLike | None = None,
    opset: int = OPSET,
) -> Any:
    """Return the network as an ONNX model, an onnx.ModelProto; with a path it is written there too.

    It is the network in evaluation mode: Dropout is the identity, BatchNorm takes its running statistics. Its
    input is called x and its output y. x is an example of the input or its shape, with the batch first; it may
    be left out where the first layer says its sizes. The size of the batch stays open, N; the other axes are as
    those of x. An x of floats with one axis is one sample, and nothing stays open.

    Weights have the names and the numbers of `state_dict()`, but for those of recurrent layers, whose gates
    ONNX has in another order. Nodes are called as the layers. dtype="float32" converts the weights on the way:
    many runtimes have the operators for that precision alone. Without it a float64 model stays one, but for
    options that ONNX stores as float32 (the eps of BatchNorm, the alpha of ELU). What becomes of NaN and
    infinity is up to the runtime.

    `opset` is the version of ONNX's operators, 18 or later. The model is checked, with the shapes inferred,
    before it is returned or written. Raises ValueError that names the layer for one that has no form in ONNX,
    such as a class of one's own; a function for it, marked with `@exports(Class)`, gives it one:

        @exports(Swish)
        def swish(graph, layer, x):
            return graph.add("Mul", x, graph.add("Sigmoid", x))

    Source: https://onnx.ai/onnx/operators/
    """
    if not isinstance(model, Layer):
        raise TypeError(f"to_onnx expects model to be Layer, got {model!r}")
    if not isinstance(path, str | Path | None):
        raise TypeError(f"to_onnx expects path to be that of a file, got {path!r}; x or its shape is x=...")
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= whole("to_onnx", "opset", opset, 1) <= newest:
        raise ValueError(
            f"to_onnx expects opset from {OLDEST} to {newest}, the newest that onnx {onnx.__version__} knows, "
            f"got {opset}"
        )
    if path is not None:
        check_writable(Path(path))
    model = copy.deepcopy(model).eval()
    if dtype is not None:
        model.astype(dtype)
    made = _model_proto(model, _examples(model, x, dtype), opset)
    onnx.checker.check_model(made, full_check=True)
    if path is not None:
        with replaced(Path(path)) as part:
            part.write_bytes(made.SerializeToString())
    return made


class Value(NamedTuple):
    """An array of the graph: its name, and the arrays that it is for batches of two sizes, 2 and 3."""

    name: str
    examples: tuple[Array, Array]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The sizes of the axes, None for those that depend on the batch."""
        few, more = (example.shape for example in self.examples)
        return tuple(size if size == other else None for size, other in zip(few, more, strict=True))


class Graph:
    """The nodes and weights of an ONNX graph, made layer by layer.

    A function of the table is given the graph, a layer and the `Value` of its x; it adds nodes and returns the
    name of y, or a `Value` if it is a layer inside that made it.
    """

    def __init__(self, model: Layer, opset: int, dtype: np.dtype[Any]) -> None:
        self.opset = opset
        self.dtype = dtype  # of the floats in it
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self._layer_names = {id(layer): name for name, layer in model.named_modules()}
        self._path: list[Layer] = []  # the layers that are being written, from the outermost inwards
        self._taken = {"x", "y"}

    def apply(self, layer: Layer, x: Value) -> Value:
        """Add the nodes of a layer; return its y."""
        function = TABLE.get(type(layer))
        if function is None:
            raise ValueError(self._refusal(layer))
        self._path.append(layer)
        first = len(self.nodes)
        made = function(self, layer, x)
        self._path.pop()
        if isinstance(made, Value):
            return made
        self._name_nodes(self.nodes[first:], layer)
        return Value(made, self.examples(layer, x))

    def add(self, op: str, *inputs: str | Value, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or the names of several. "" is an input left out."""
        names = [given.name if isinstance(given, Value) else given for given in inputs]
        while names and not names[-1]:
            names.pop()
        made = [self._unique(self._within(op)) for _ in range(outputs)]
        self.nodes.append(onnx.helper.make_node(op, names, made, **attributes))
        return made[0] if outputs == 1 else made

    def state(self, attribute: str) -> str:
        """Return the name of a parameter or a buffer of the layer, "" of one that is None."""
        value = getattr(self._path[-1], attribute)
        if value is None:
            return ""
        array = value.data if isinstance(value, Parameter) else value
        return self.weight(attribute, array)

    def weight(self, attribute: str, array: Array) -> str:
        """Return the name of an array that is called like an attribute of the layer."""
        prefix = self._layer_names[id(self._path[-1])]
        name = f"{prefix}.{attribute}" if prefix else attribute
        self._taken.add(name)
        self.weights[name] = onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def constant(self, array: Any, hint: str = "constant", dtype: DTypeLike | None = None) -> str:
        """Return the name of an array: of integers, or of the floats that the network has."""
        array = np.asarray(array)
        array = array.astype(dtype or (self.dtype if array.dtype.kind == "f" else np.int64))
        name = self._unique(self._within(hint))
        self.weights[name] = onnx.numpy_helper.from_array(array, name)
        return name

    def number(self, value: float) -> str:
        """Return the name of a number as an array without axes."""
        return self.constant(float(value))

    def reshape(self, x: str | Value, shape: tuple[int | None, ...]) -> str:
        """Add a Reshape to sizes of which one may depend on the batch, None."""
        sizes = [-1 if size is None else size for size in shape]
        return self.add("Reshape", x, self.constant(sizes, "shape"))

    def reshaped(self, layer: Layer, x: Value) -> str:
        """Add the Reshape that is all that a layer does."""
        return self.reshape(x, Value("", self.examples(layer, x)).shape)

    def examples(self, layer: Layer, x: Value) -> tuple[Array, Array]:
        """What a layer makes of the examples of its x."""
        few, more = x.examples
        with np.errstate(all="ignore"):
            return layer(few), layer(more)

    def _within(self, hint: str) -> str:
        name = self._layer_names[id(self._path[-1])]
        return f"{name}/{hint}" if name else hint

    def _unique(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name

    def _name_nodes(self, nodes: list[Any], layer: Layer) -> None:
        """Call the node of a layer like the layer; of several each says its operation too."""
        own = [node for node in nodes if not node.name]
        counts: Counter[str] = Counter()
        for node in own:
            counts[node.op_type] += 1
            number = counts[node.op_type]
            node.name = self._layer_names[id(layer)] or type(layer).__name__
            if len(own) > 1:
                node.name += f"/{node.op_type}{'' if number == 1 else f'_{number}'}"
            node.doc_string = repr(layer)

    def _said(self, layer: Layer) -> str:
        name = self._layer_names[id(layer)]
        return f"{layer!r} (layer {name!r})" if name else repr(layer)

    def _refusal(self, layer: Layer) -> str:
        said, kind = f"to_onnx has no form for {self._said(layer)}", type(layer).__name__
        if isinstance(layer, _OfFunctions):
            return (
                f"{said}: what its functions compute is known to NumPy alone. Take the layer of that name, "
                f"Tanh() for np.tanh, or a class and a function for it, marked @exports(Class); {ELSEWHERE}"
            )
        base = next((base.__name__ for base in type(layer).__mro__ if base in TABLE), None)
        said += f", which may compute something else than {base}" if base else ""
        return f"{said}: write a function for it, marked @exports({kind}); {ELSEWHERE}"


def _model_proto(model: Layer, examples: tuple[Array, Array], opset: int) -> Any:
    """The whole model, from x to y."""
    graph = Graph(model, opset, model.dtype or examples[0].dtype)
    source = Value("x", examples)
    result = graph.apply(model, source)
    nodes = graph.nodes
    if any(result.name in node.output for node in nodes):
        for node in nodes:
            for names in (node.input, node.output):
                names[:] = ["y" if name == result.name else name for name in names]
    else:  # nothing was done
        nodes.append(onnx.helper.make_node("Identity", [result.name], ["y"], name="Identity"))
    weights = list(graph.weights.values())
    ends = [_value_info("x", source), _value_info("y", result)]
    opsets = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(
        onnx.helper.make_graph(nodes, type(model).__name__, ends[:1], ends[1:], weights, repr(model)),
        opset_imports=opsets,
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
        producer_name="minitorch_np",
        producer_version=minitorch_np.__version__,
    )


def _value_info(name: str, value: Value) -> Any:
    """What ONNX is told of x or y: the element type, and the sizes, N for that of the batch."""
    few, _ = value.examples
    sizes: list[Any] = []
    for size, number in zip(value.shape, few.shape, strict=True):
        times = number // 2
        sizes.append(size if size is not None else "N" if times == 1 else f"{times}N")
    kind = onnx.helper.np_dtype_to_tensor_dtype(few.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, sizes)


def _examples(model: Layer, x: Any, dtype: DTypeLike | None) -> tuple[Array, Array]:
    """Zeros in the shape of x, for batches of 2 and of 3; of one size where x is one sample."""
    is_shape = isinstance(x, tuple) and all(isinstance(size, int | np.integer) for size in x)
    given: Any = x if is_shape else usual_shape(model, 2, guesses=False) if x is None else np.shape(x)
    if given is None:
        raise ValueError(
            f"to_onnx expects x or its shape, x=(64, 1, 28, 28): {model!r} does not say all sizes of its x"
        )
    shape = tuple(whole("to_onnx", "a size in the shape of x", size) for size in given)
    if not shape:
        raise ValueError("to_onnx expects x of one axis or more, with the batch first, got a number")
    if model.index_count is not None:
        return np.zeros((2, *shape[1:]), np.int64), np.zeros((3, *shape[1:]), np.int64)
    of_x = getattr(x, "dtype", None)
    floats = model.dtype or (float_dtype(dtype) if dtype else of_x if of_x in FLOATS else FLOATS[0])
    batches = (shape, shape) if len(shape) == 1 else ((2, *shape[1:]), (3, *shape[1:]))
    return np.zeros(batches[0], floats), np.zeros(batches[1], floats)
