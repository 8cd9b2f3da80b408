"""Imports go one way, down the levels of the package."""

import ast
import gc
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import minitorch_np

PACKAGE = Path(minitorch_np.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Each level imports from those before it and from itself.
LEVELS = [
    "_internal",
    "module parameter layer layers losses optimizers schedules initializers clipping metrics",
    "data training serialization derivation",
    "compiled study interop",
    "tutorial examples",
    "cli __main__",
]
OPTIONAL = {"torch", "safetensors", "onnx", "mpi4py", "tqdm", "sklearn"}


def module(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(autouse=True, scope="module")
def _no_garbage_collection():
    """The syntax trees of all files stay for this module: to search them for garbage takes longer than it."""
    gc.disable()
    yield
    parsed.cache_clear()
    gc.enable()


@cache
def parsed(path):
    return ast.parse(path.read_text())


def level(name):
    return next(i for i, level in enumerate(LEVELS) if name.split(".")[0] in level.split())


@cache
def imported(path):
    """Return (module, names, whether it happens on import) of every import outside TYPE_CHECKING."""
    return list(_imported(parsed(path)))


def _imported(tree):
    for node, is_outside in _statements(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, [], is_outside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module, [alias.name for alias in node.names], is_outside


def _statements(node, is_outside=True):
    """Yield the statements outside TYPE_CHECKING, and whether each is outside of functions."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.stmt | ast.excepthandler | ast.match_case):
            yield inner, is_outside
            if isinstance(inner, ast.If) and getattr(inner.test, "id", "") == "TYPE_CHECKING":
                continue
            is_function = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _statements(inner, is_outside and not is_function)


def own_modules(name, names):
    """The package's modules that an import reaches."""
    base = name.removeprefix("minitorch_np").lstrip(".")
    found = [f"{base}.{n}".lstrip(".") for n in names]
    inner = [n for n in found if (PACKAGE / Path(*n.split("."))).with_suffix(".py").exists()]
    return inner or [base]


@pytest.mark.parametrize("path", [path for path in FILES if module(path)], ids=module)
def test_imports_go_one_way(path):
    here = module(path)
    for name, names, _ in imported(path):
        if name.split(".")[0] == "minitorch_np":
            for other in own_modules(name, names):
                if other == "":  # the top level, which has the names of the core
                    assert level(here) >= LEVELS.index("data training serialization derivation")
                else:
                    assert level(other) <= level(here), f"{here} imports {other}"


@pytest.mark.parametrize("folder", ["layers", "losses", "optimizers", "schedules"])
def test_parts_of_one_kind_import_only_their_base(folder):
    bases = {
        "layers.activation",
        "layers.recurrent",
        "losses.loss",
        "losses.checks",
        "optimizers.optimizer",
        "schedules.schedule",
    }
    parts = {
        "layers.attention": "branches dropout gated linear normalization piecewise sequential"
    }  # what it is composed of
    for path in sorted((PACKAGE / folder).glob("[a-z]*.py")):
        for name, names, _ in imported(path):
            if name.split(".")[0] == "minitorch_np":
                inner = {other for other in own_modules(name, names) if other.startswith(f"{folder}.")}
                composed = {f"{folder}.{part}" for part in parts.get(module(path), "").split()}
                assert inner <= bases | composed


def test_no_two_modules_have_one_name():
    names = [path.stem for path in FILES if path.stem != "__init__" and path.parent.name != "cli"]
    assert not {name for name in names if names.count(name) > 1}


def test_no_two_public_classes_have_one_name():
    classes = [node for path in FILES for node in parsed(path).body if isinstance(node, ast.ClassDef)]
    names = [node.name for node in classes if not node.name.startswith("_")]
    assert not {name for name in names if names.count(name) > 1}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_only_numpy_matplotlib_and_the_standard_library_are_imported(path):
    for name, _, at_import in imported(path):
        top = name.split(".")[0]
        allowed = top in sys.stdlib_module_names or top in ("numpy", "minitorch_np")
        if top == "matplotlib":
            drawing = ("study.explain.picture", "_internal.pictures")
            allowed = not at_import or "plot" in module(path) or module(path) in drawing
        if top in OPTIONAL:
            allowed = not at_import or module(path) == f"interop.{top.removesuffix('4py')}"
        assert allowed, name


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_file_has_one_idea_and_says_it(path):
    tree = parsed(path)
    if path.read_text():
        doc = ast.get_docstring(tree)
        assert doc
        assert doc.split()[0] not in ("What", "Where", "Which", "How")
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def test_the_public_names_are_the_public_names():
    base = "Activation Layer Loss Optimizer Parameter initializers"
    layers = (
        "AdaptiveAvgPool2d AvgPool1d AvgPool2d BatchNorm1d BatchNorm2d Conv1d Conv2d ConvTranspose2d "
        "Dropout Dropout2d Embedding Flatten GLU GRU GroupNorm LSTM LayerNorm Linear LogSoftmax MaxPool1d "
        "MaxPool2d Mean MultiheadAttention Parallel PositionalEmbedding RMSNorm RNN Reshape Residual Select "
        "Sequential SinusoidalPositionalEncoding Softmax TransformerEncoderLayer Transpose Unflatten "
        "Upsample ZeroPad2d"
    )
    activations = (
        "CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh Identity LeakyReLU LogSigmoid Mish PReLU ReLU "
        "ReLU6 SELU Sigmoid SiLU Softplus Softshrink Softsign Tanh Tanhshrink Threshold"
    )
    losses = (
        "BCELoss BCEWithLogitsLoss CrossEntropyLoss HuberLoss KLDivLoss L1Loss MSELoss NLLLoss SmoothL1Loss "
        "SquaredLoss"
    )
    optimizers = (
        "SGD Adadelta Adagrad Adam AdamW NAdam RAdam RMSprop clip_grad_norm_ clip_grad_value_ "
        "Schedule LRScheduler ChainedScheduler SequentialLR CosineAnnealingLR ExponentialLR LambdaLR "
        "MultiStepLR StepLR OneCycleLR ReduceLROnPlateau ConstantLR LinearLR"
    )
    training = (
        "batches split TensorDataset Subset DataLoader Standardize fit evaluate predict History EarlyStopping "
        "Callback NotFiniteError accuracy top_k_accuracy confusion_table r_squared mean_absolute_error "
        "Checkpoint load save"
    )
    study = "compare explain gradcheck guard handwritten summary trace"
    names = " ".join([base, layers, activations, losses, optimizers, training, study]).split()
    assert sorted(minitorch_np.__all__) == sorted(names)
    for name in minitorch_np.__all__:
        assert getattr(minitorch_np, name).__doc__


def test_import_brings_numpy_and_neither_matplotlib_nor_an_extra():
    code = (
        "import sys, numpy; before = set(sys.modules); import minitorch_np; print(*set(sys.modules) - before)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    others = {name.split(".")[0] for name in out} - {"minitorch_np"}
    assert others <= set(sys.stdlib_module_names)
    assert not {"matplotlib", "inspect", "dataclasses", "argparse"} & others
