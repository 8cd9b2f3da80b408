"""Networks and losses as modules of torch, and modules of torch as layers: to_torch and from_torch."""

# mypy: disable-error-code="import-untyped, import-not-found, misc, no-any-return"
from __future__ import annotations

import inspect
import warnings
from itertools import chain
from typing import Any

import numpy as np

try:
    import torch
except ModuleNotFoundError:
    raise ImportError("minitorch_np.interop.torch needs torch: pip install 'minitorch-np[torch]'") from None
from torch import nn

from minitorch_np._internal.reprs import constructor_arguments, variable_argument
from minitorch_np.layer import Layer
from minitorch_np.layers.branches import Parallel, Residual
from minitorch_np.layers.positions import sinusoids
from minitorch_np.layers.sequential import Sequential
from minitorch_np.losses.loss import Loss
from minitorch_np.losses.regression import SquaredLoss
from minitorch_np.serialization.describe import public_classes

__all__ = ["from_torch", "to_torch"]

DTYPES = {torch.float32: "float32", torch.float64: "float64"}
ELSEWHERE = {
    "rng",
    "dtype",
    "device",
    "inplace",
    "size_average",
    "reduce",
    "activation",
}  # no such arguments there
PREFIXES = ("torch.nn.modules.", __name__)


def to_torch(model: Layer | Loss) -> Any:
    """Return the torch module that computes what a network, a layer or a loss computes.

    It has copies of the parameters and buffers, by the same names, their dtype and the mode (train or eval)
    of every layer: `to_torch(model).state_dict()` is `model.state_dict(layout="torch")`, but for the counts
    of batches that torch's BatchNorm keeps. Outputs and gradients
    agree within rounding. Two things differ: torch's ReLU gives a gradient of 0 at exactly 0, where ours lets
    it pass; and dropout draws from torch's generator.

    What torch.nn has is used as it is. Layers that hand on an array where torch's return a tuple (RNN, LSTM,
    GRU, MultiheadAttention), and those that torch.nn does not have (Residual, Parallel, Select, Mean, Reshape,
    Transpose, the positions, Standardize), are small modules of this file.

    Raises ValueError that names the layer for one of your own and for what torch does not have.
    """
    if not isinstance(model, Layer | Loss):
        raise TypeError(f"to_torch expects a layer, a network or a loss, got {model!r}")
    with torch.random.fork_rng(devices=[]):  # its layers draw weights, which are not used
        if isinstance(model, Loss):
            return _loss_to(model)
        made = _layer_to(model, "")
    state = {name: torch.from_numpy(array) for name, array in model.state_dict(layout="torch").items()}
    missing, unexpected = made.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise RuntimeError(f"to_torch made a module with other parameters: {[*missing, *unexpected]}")
    return made


def from_torch(module: Any) -> Any:
    """Return the network, layer or loss that computes what a torch module computes.

    It has copies of the parameters and buffers, by the same names, their dtype and the mode (train or eval) of
    every module: `to_torch(from_torch(module))` is the module again. nn.RNN, nn.LSTM and nn.GRU become layers
    that hand on the states of all steps, nn.MultiheadAttention self-attention of one input, and
    nn.TransformerEncoder a network of its layers; all of them with `batch_first=True`. torch's ReLU gives a
    gradient of 0 at exactly 0, where ours lets it pass.

    A module that is a class of your own has a forward that cannot be read off: compose it of layers here, and
    `load_state_dict(module.state_dict(), layout="torch")`.

    Raises ValueError that names the module for such a class, for options that are missing here, hooks,
    parametrizations, shared modules and parameters, and dtypes other than float32 and float64. Warns of
    parameters with `requires_grad=False`, since all parameters are trained here.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"from_torch expects a torch.nn.Module, got {type(module).__name__}")
    if isinstance(module, nn.modules.loss._Loss):
        _check_plain(module, "")
        return _generic_from(module, "")
    _check_shared(module)
    made = _layer_from(module, "")
    for name, tensor in module.state_dict().items():
        if tensor.is_meta:
            raise ValueError(f"{name} is on the device meta, without numbers: load a state first")
    state = {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}
    made.load_state_dict(state, layout="torch")
    frozen = [name for name, parameter in module.named_parameters() if not parameter.requires_grad]
    if frozen:
        warnings.warn(f"{', '.join(frozen)}: frozen in torch, trained here", UserWarning, stacklevel=2)
    return made


# ours to torch's


def _layer_to(layer: Layer, path: str) -> Any:
    """The module of a layer, with weights that are still to be loaded."""
    name = type(layer).__name__
    if public_classes().get(name) is not type(layer):
        raise ValueError(f"{_at(path)}{layer!r} is a layer of your own, which torch does not have")
    if isinstance(layer, Sequential):
        made = nn.Sequential()
    elif isinstance(layer, Parallel):
        made = ParallelBranches(layer.combine, layer.dim)
    elif isinstance(layer, Residual):
        made = ResidualSum()
    else:
        made = _generic_to(layer, path)
        return made.train(layer.training)
    child: Any
    for key, child in layer.named_children():
        made.add_module(key, _layer_to(child, _inside(path, key)))
    made.training = layer.training
    return made


def _generic_to(thing: Layer | Loss, path: str) -> Any:
    """The module of the same name and arguments."""
    name = type(thing).__name__
    cls = OWN.get(name) or getattr(nn, name)
    theirs = _arguments_of(cls)
    arguments, values = {}, vars(thing)
    for key, default in constructor_arguments(type(thing)).items():
        if key in ELSEWHERE or key not in values:
            continue
        value = values[key]
        if isinstance(default, bool) and not isinstance(value, bool):
            value = value is not None  # whether there is such a parameter
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value.copy())
        if key in theirs:
            arguments[key] = value
        elif not _equal(value, default):
            raise ValueError(f"{_at(path)}torch.nn.{name} has no {key}, which {thing!r} has")
    if "activation" in theirs and isinstance(thing, Layer):
        arguments["activation"] = _generic_to(values["activation"], path)
    several = variable_argument(type(thing))
    made = cls(*values[several]) if several else cls(**arguments)
    dtype = thing.dtype if isinstance(thing, Layer) else None
    return made if dtype is None else made.to(getattr(torch, str(dtype)))


def _loss_to(loss: Loss) -> Any:
    if public_classes().get(type(loss).__name__) is not type(loss):
        raise ValueError(f"{loss!r} is a loss of your own, which torch does not have")
    if type(loss) is SquaredLoss:
        return nn.MSELoss(reduction=loss.reduction)
    return _generic_to(loss, "")


# torch's to ours


def _layer_from(module: Any, path: str) -> Layer:
    """The layer of a module, with weights that are still to be loaded."""
    made: Layer
    wrappers = ("_orig_mod", "module") if type(module).__module__.startswith("torch.") else ()
    inner = [name for name in wrappers if isinstance(getattr(module, name, None), nn.Module)]
    if inner:
        raise ValueError(f"{_at(path)}{type(module).__name__} wraps another module: give its {inner[0]}")
    _check_plain(module, path)

    def children() -> dict[str, Layer]:
        return {key: _layer_from(child, _inside(path, key)) for key, child in module.named_children()}

    if _is_sequential(module):
        made = _sequential(children())
    elif type(module) is nn.TransformerEncoder:
        layers = {
            f"{key}": _layer_from(child, _inside(path, f"layers.{key}"))
            for key, child in enumerate(module.layers)
        }
        norm = {} if module.norm is None else {"norm": _layer_from(module.norm, _inside(path, "norm"))}
        made = Sequential({"layers": _sequential(layers), **norm})
        made["layers"].training = module.layers.training
    elif type(module) is ParallelBranches:
        made = Parallel(_unnamed(children()), combine=module.combine, dim=module.dim)
    elif type(module) is ResidualSum:
        made = Residual(**children())
    else:
        made = _generic_from(module, path)
        for layer in made.modules():  # an encoder layer with all its parts
            layer.training = module.training
    made.training = module.training
    return made


def _is_sequential(module: Any) -> bool:
    """Whether it is nn.Sequential, or a class that only says what is in it."""
    cls = type(module)
    return issubclass(cls, nn.Sequential) and all(
        getattr(cls, name) is getattr(nn.Sequential, name) for name in ("forward", "__call__")
    )


def _sequential(layers: dict[str, Layer]) -> Sequential:
    return Sequential(_unnamed(layers))


def _unnamed(layers: dict[str, Layer]) -> dict[str, Layer] | list[Layer]:
    """The layers alone, where their names are numbers."""
    return list(layers.values()) if list(layers) == list(map(str, range(len(layers)))) else layers


def _generic_from(module: Any, path: str) -> Any:
    name = _name_of(module)
    cls = public_classes().get(name)
    if cls is None:
        raise ValueError(
            f"{_at(path)}{type(module).__module__}.{type(module).__name__} has no counterpart here: compose it "
            "of layers, and load_state_dict(module.state_dict(), layout='torch')"
        )
    _check_options(module, name, path)
    _check_parts(module, path)
    arguments = _options_of(module, name)
    ours = constructor_arguments(cls)
    dtypes = {t.dtype for t in chain(module.parameters(), module.buffers()) if t.is_floating_point()}
    if dtypes and not isinstance(module, nn.modules.loss._Loss):
        if len(dtypes) > 1 or not dtypes <= DTYPES.keys():
            raise ValueError(f"{_at(path)}{name} of {dtypes}: float32 or float64 is expected, module.float()")
        if "dtype" in ours:
            arguments["dtype"] = DTYPES[dtypes.pop()]
    if isinstance(module, nn.TransformerEncoderLayer):
        arguments |= _of_encoder(module, path)
    several = variable_argument(cls)
    build: Any = cls
    try:
        return build(*getattr(module, several)) if several else build(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_at(path)}{error}") from None


def _check_options(module: Any, name: str, path: str) -> None:
    """Raise ValueError for an option that is missing here and is not what it is by default."""
    ours = constructor_arguments(public_classes()[name])
    for key, default in _arguments_of(type(module)).items():
        value = getattr(module, key, default)
        if isinstance(default, bool) and not isinstance(value, bool):  # bias=True, where there is a Parameter
            value = value is not None or getattr(module, "weight", None) is None
        if key not in ours and key not in ELSEWHERE and key not in DERIVED and not _equal(value, default):
            raise ValueError(f"{_at(path)}{name} with {key}={value!r} is not there: torch's {default!r} is")
    if name == "MultiheadAttention" and (
        not module._qkv_same_embed_dim or module.bias_k is not None or module.add_zero_attn
    ):
        raise ValueError(f"{_at(path)}{name} with kdim, vdim, add_bias_kv or add_zero_attn is not there")
    if getattr(module, "proj_size", 0):
        raise ValueError(f"{_at(path)}{name} with proj_size is not there")


def _options_of(module: Any, name: str) -> dict[str, Any]:
    """The arguments of the layer of a module, read from its attributes."""
    arguments = {}
    for key, default in constructor_arguments(public_classes()[name]).items():
        attribute = READ.get((name, key), key)
        if key in ELSEWHERE or not hasattr(module, attribute):
            continue
        value = getattr(module, attribute)
        if isinstance(default, bool) and not isinstance(value, bool):
            value = value is not None
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        arguments[key] = _number(value, default)
    if not arguments.get("elementwise_affine", True):
        arguments.pop("bias", None)  # there is none either way
    return arguments


def _of_encoder(module: Any, path: str) -> dict[str, Any]:
    """The arguments of a TransformerEncoderLayer, which torch does not keep."""
    rates = {module.dropout.p, module.dropout1.p, module.dropout2.p, module.self_attn.dropout}
    if len(rates) > 1 or module.norm1.eps != module.norm2.eps:
        raise ValueError(
            f"{_at(path)}the dropouts and eps of a TransformerEncoderLayer are expected to be one each"
        )
    activation = module.activation
    known = {nn.functional.relu: "relu", nn.functional.gelu: "gelu"}
    if activation not in known and not isinstance(activation, nn.Module):
        raise ValueError(
            f"{_at(path)}activation={activation} is a function: a module is expected, as nn.Tanh()"
        )
    return {
        "d_model": module.linear1.in_features,
        "nhead": module.self_attn.num_heads,
        "dim_feedforward": module.linear1.out_features,
        "dropout": rates.pop(),
        "activation": known[activation]
        if activation in known
        else _layer_from(activation, _inside(path, "activation")),
        "layer_norm_eps": module.norm1.eps,
        "batch_first": module.self_attn.batch_first,
        "bias": module.linear1.bias is not None,
    }


def _name_of(module: Any) -> str:
    """The name of the layer that a module is; "" for what is no class of torch.nn or of this file."""
    cls = type(module)
    if not cls.__module__.startswith(PREFIXES):
        return ""
    return next((name for name, own in OWN.items() if own is cls), cls.__name__)


def _check_plain(module: Any, path: str) -> None:
    """Raise ValueError if something was put on a module that changes what it computes."""
    if isinstance(module, nn.modules.lazy.LazyModuleMixin):
        raise ValueError(f"{_at(path)}{type(module).__name__} has no sizes yet: give it an x first")
    if torch.nn.utils.parametrize.is_parametrized(module):
        raise ValueError(f"{_at(path)}parametrizations are not there: remove_parametrizations first")
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, kind, None) for kind in hooks):
        raise ValueError(
            f"{_at(path)}{type(module).__name__} has hooks, which are not there: remove them first"
        )
    if "forward" in vars(module):
        raise ValueError(f"{_at(path)}{type(module).__name__} has a forward of its own")


def _check_parts(module: Any, path: str) -> None:
    """Raise ValueError if a part that torch gave to a module was changed or replaced."""
    for key, part in module.named_modules():
        expected = PARTS.get(key.rpartition(".")[2].rstrip("12"), ())
        if key:
            _check_plain(part, _inside(path, key))
        if expected and type(part) not in expected:
            raise ValueError(
                f"{_at(_inside(path, key))}{type(part).__name__} is in the place of {expected[0].__name__}: "
                "compose such a layer of others"
            )


def _check_shared(module: Any) -> None:
    for kind, named in (
        ("module", module.named_modules(remove_duplicate=False)),
        ("parameter", module.named_parameters(remove_duplicate=False)),
    ):
        seen: dict[int, str] = {}
        for name, thing in named:
            if id(thing) in seen:
                raise ValueError(f"{seen[id(thing)]} and {name} are one {kind}: each has one place here")
            seen[id(thing)] = name


def _arguments_of(cls: Any) -> dict[str, Any]:
    """The arguments of a torch class and their defaults, with those of its base where it hands all on."""
    found: dict[str, Any] = {"nonlinearity": "tanh"} if issubclass(cls, nn.RNN) else {}
    for base in cls.__mro__:
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        found = {p.name: p.default for p in plain} | found
        if len(plain) == len(parameters):
            break
    return found


def _number(value: Any, default: Any) -> Any:
    """A value as it is written here: 2 for the 2.0 that torch keeps, a number for a tuple of one."""
    if isinstance(value, tuple | list | torch.Size):
        numbers = tuple(_number(each, default) for each in value)
        return numbers[0] if len(numbers) == 1 and not isinstance(value, torch.Size) else numbers
    is_whole = isinstance(value, float) and value.is_integer() and not isinstance(default, float)
    return int(value) if is_whole else value


def _equal(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and bool(np.all(a == b)))


def _inside(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _at(path: str) -> str:
    return f"{path}: " if path else ""


# modules that torch does not have


class ResidualSum(nn.Module):
    """y = layer(x) + x, or + shortcut(x)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_module("layer", None)
        self.register_module("shortcut", None)

    def forward(self, x: Any) -> Any:
        return self.layer(x) + (x if self.shortcut is None else self.shortcut(x))


class ParallelBranches(nn.Module):
    """What several modules make of the same x, added or side by side."""

    def __init__(self, combine: str = "sum", dim: int = 1) -> None:
        super().__init__()
        self.combine, self.dim = combine, dim

    def forward(self, x: Any) -> Any:
        parts = [branch(x) for branch in self.children()]
        return torch.cat(parts, self.dim) if self.combine == "concatenate" else sum(parts[1:], parts[0])


class SelectIndex(nn.Module):
    """One position along an axis."""

    def __init__(self, dim: int, index: int) -> None:
        super().__init__()
        self.dim, self.index = dim, index

    def forward(self, x: Any) -> Any:
        return x.select(self.dim, self.index)


class MeanOver(nn.Module):
    """The mean over an axis, or several."""

    def __init__(self, dim: int | tuple[int, ...], keepdim: bool = False) -> None:
        super().__init__()
        self.dim, self.keepdim = dim, keepdim

    def forward(self, x: Any) -> Any:
        return x.mean(self.dim, self.keepdim)


class ReshapeSamples(nn.Module):
    """The numbers of each sample in another shape."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Any) -> Any:
        return x.reshape(len(x), *self.shape)


class TransposeAxes(nn.Module):
    """Two axes in each other's place."""

    def __init__(self, dim0: int, dim1: int) -> None:
        super().__init__()
        self.dim0, self.dim1 = dim0, dim1

    def forward(self, x: Any) -> Any:
        return x.transpose(self.dim0, self.dim1)


class LearnedPositions(nn.Module):
    """y = x + W[:T]."""

    def __init__(self, num_positions: int, embed_dim: int) -> None:
        super().__init__()
        self.num_positions, self.embed_dim = num_positions, embed_dim
        self.weight = nn.Parameter(torch.zeros(num_positions, embed_dim))

    def forward(self, x: Any) -> Any:
        return x + self.weight[: x.shape[1]]


class SinusoidalPositions(nn.Module):
    """y = x + p, waves of sines and cosines."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim

    def forward(self, x: Any) -> Any:
        return x + torch.from_numpy(sinusoids(x.shape[1], self.embed_dim)).to(x)


class StandardizeFeatures(nn.Module):
    """y = (x − mean) / std."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))

    def forward(self, x: Any) -> Any:
        return (x - self.mean) / self.std


class _OneOutput:
    """A recurrent layer that returns the states of all steps, or what each direction ends with."""

    bidirectional: bool

    def __init__(self, *args: Any, return_sequences: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.return_sequences = return_sequences

    def forward(self, x: Any) -> Any:
        y, last = super().forward(x)
        if self.return_sequences:
            return y
        last = last[0] if isinstance(last, tuple) else last  # an LSTM has cells too
        directions = 2 if self.bidirectional else 1
        return torch.cat(list(last[-directions:]), dim=1)


class RNNOutput(_OneOutput, nn.RNN):
    """nn.RNN with one output."""


class LSTMOutput(_OneOutput, nn.LSTM):
    """nn.LSTM with one output."""


class GRUOutput(_OneOutput, nn.GRU):
    """nn.GRU with one output."""


class SelfAttention(nn.MultiheadAttention):
    """nn.MultiheadAttention where queries, keys and values are all of x."""

    def __init__(self, *args: Any, causal: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.causal = causal

    def forward(self, x: Any) -> Any:
        mask = _causal(x) if self.causal else None
        return super().forward(x, x, x, attn_mask=mask, need_weights=False)[0]


class EncoderLayer(nn.TransformerEncoderLayer):
    """nn.TransformerEncoderLayer that can be causal by itself."""

    def __init__(self, *args: Any, causal: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.causal = causal

    def forward(self, x: Any) -> Any:
        return super().forward(x, src_mask=_causal(x) if self.causal else None)


def _causal(x: Any) -> Any:
    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)


PARTS = {
    "linear": (nn.Linear,),
    "norm": (nn.LayerNorm,),
    "dropout": (nn.Dropout,),
    "self_attn": (nn.MultiheadAttention, SelfAttention),
    "out_proj": (nn.modules.linear.NonDynamicallyQuantizableLinear,),
}  # of attention and its encoder layer, but for the numbers in their names
READ = {("MultiheadAttention", "bias"): "in_proj_bias"}  # the attribute of an argument, if it has another name
DERIVED = {"kdim", "vdim", "add_bias_kv", "proj_size", "mode"}  # they are judged by what they made
OWN: dict[str, Any] = {
    "RNN": RNNOutput,
    "LSTM": LSTMOutput,
    "GRU": GRUOutput,
    "MultiheadAttention": SelfAttention,
    "TransformerEncoderLayer": EncoderLayer,
    "Select": SelectIndex,
    "Mean": MeanOver,
    "Reshape": ReshapeSamples,
    "Transpose": TransposeAxes,
    "PositionalEmbedding": LearnedPositions,
    "SinusoidalPositionalEncoding": SinusoidalPositions,
    "Standardize": StandardizeFeatures,
}
