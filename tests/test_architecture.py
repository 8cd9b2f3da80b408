"""Imports go one way, down the levels of the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minitorch_np

PACKAGE = Path(minitorch_np.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# A module imports only from levels before its own; those on one level do not import each other.
LEVELS = [
    ["arrays", "files", "options", "text"],
    ["numerics", "distributions", "initializers", "state"],
    ["parameter"],
    ["storage", "tree"],
    ["layer", "optimizers.saving"],
    ["layers.activation", "losses.loss", "losses.checks", "optimizers.optimizer", "schedules.schedule"],
    ["layers", "losses", "optimizers", "schedules", "clipping"],
    ["training.archive", "training.plain"],
    ["training.attachments", "training.generators", "training.metadata", "training.states"],
    ["training.description", "training.room"],
    ["training.building"],
    ["training.loading", "training.saving"],
    ["training.datasets", "training.interrupt", "training.keeping", "training.metrics", "training.modes"],
    ["training.failure", "training.loader", "training.plot", "training.progress"],
    ["training.history"],
    ["training.state", "training.watch"],
    ["training.batches", "training.callbacks", "training.checks", "training.evaluation"],
    ["training.checkpoint", "training.setup", "training.steps"],
    ["training.fit"],
    ["training"],
    [
        "study.explaining.axes",
        "study.explaining.boxes",
        "study.explaining.docstrings",
        "study.explaining.passage",
    ],
    ["study.explaining.page", "study.explaining.products"],
    ["study.explaining.chain", "study.explaining.examples", "study.explaining.formulas"],
    ["study.bits", "study.diagram", "study.evidence", "study.machine", "study.places", "study.plots"],
    ["study.diagnosis", "study.differences", "study.snapshot", "study.suspects", "study.table"],
    ["study.explaining.backward_text", "study.explaining.columns", "study.explaining.forward_text"],
    ["study.unroll.operators", "study.unroll.sources", "study.unroll.values", "study.unroll.walking"],
    [
        "study.unroll.data",
        "study.unroll.emitter",
        "study.unroll.ledger",
        "study.unroll.ones",
        "study.unroll.roles",
    ],
    ["study.unroll.access", "study.unroll.folding", "study.unroll.naming", "study.unroll.rendering"],
    ["study.unroll.evaluator"],
    ["study.unroll.displays"],
    ["study.unroll.assignments"],
    ["study.unroll.executor"],
    ["study.unroll.branches"],
    ["study.unroll.functions"],
    ["study.unroll.array_calls"],
    ["study.unroll.builtin_calls"],
    ["study.unroll.calls"],
    ["study.unroll.helpers"],
    ["study.unroll.states"],
    ["study.unroll.tracer"],
    ["study.unroll.rules"],
    ["study.unroll.program"],
    ["study.byhand.closeness", "study.byhand.loops", "study.byhand.sandbox", "study.byhand.spelling"],
    ["study.byhand.finding", "study.byhand.marks", "study.byhand.reference", "study.byhand.source"],
    ["study.byhand.recorder", "study.byhand.slips"],
    ["study.byhand.explanation", "study.byhand.recording"],
    ["study.byhand.chains", "study.byhand.layered", "study.byhand.matching"],
    ["study.byhand.mishaps", "study.byhand.moments", "study.byhand.roles"],
    ["study.byhand.comparison", "study.byhand.judgement", "study.byhand.reading"],
    ["study.byhand.tally"],
    ["study", "interop"],
    ["study.compare"],
    ["tutorial"],
    [""],
    ["commands.arguments", "commands.loading", "commands.outputs", "commands.tables"],
    ["commands.arrayfiles", "commands.columns", "commands.csvfiles", "commands.networks", "commands.targets"],
    ["commands.reading", "commands.stacks", "commands.tasks"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
OPTIONAL = {"torch", "safetensors", "onnx", "mpi4py", "tqdm"}


def module(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def level(name):
    for prefix in (name, name.rpartition(".")[0], name.split(".")[0]):
        for i, level in enumerate(LEVELS):
            if prefix in level:
                return i
    raise AssertionError(f"{name} stands on no level")


def imported(tree):
    """(module, names, whether it happens on import) for every import outside TYPE_CHECKING."""
    hidden = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    ]
    inside = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    ]
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, [], node not in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module, [alias.name for alias in node.names], node not in inside


def own_modules(name, names):
    """The package's modules that an import reaches."""
    base = name.removeprefix("minitorch_np").lstrip(".")
    found = [f"{base}.{n}".lstrip(".") for n in names]
    inner = [n for n in found if (PACKAGE / Path(*n.split("."))).with_suffix(".py").exists()]
    return inner or [base]


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_go_down_the_levels(path):
    here = module(path)
    for name, names, _ in imported(ast.parse(path.read_text())):
        if name.split(".")[0] == "minitorch_np":
            for other in own_modules(name, names):
                if here == "" and other.split(".")[0] in ("study", "tutorial", "commands", "cli", "interop"):
                    raise AssertionError(f"the package itself imports {other}")
                assert level(other) < level(here), f"{here or 'minitorch_np'} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_only_numpy_matplotlib_and_the_standard_library_are_imported(path):
    for name, _, at_import in imported(ast.parse(path.read_text())):
        top = name.split(".")[0]
        allowed = top in sys.stdlib_module_names or top in ("numpy", "minitorch_np")
        if top == "matplotlib":
            allowed = module(path) in ("study.plots", "study.diagram", "training.plot")
        if top in OPTIONAL:
            allowed = not at_import
        assert allowed, name


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_file_has_one_idea_and_says_it(path):
    tree = ast.parse(path.read_text())
    assert len(path.read_text().splitlines()) <= 220
    if path.read_text():
        assert ast.get_docstring(tree)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def test_the_public_names_are_the_public_names():
    base = "Activation Layer Loss Optimizer Parameter initializers"
    layers = "Linear Sequential GLU LogSoftmax Softmax"
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
        "Callback NotFiniteError accuracy top_k_accuracy confusion_matrix r2_score mean_absolute_error "
        "Checkpoint load save"
    )
    names = " ".join([base, layers, activations, losses, optimizers, training]).split()
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
