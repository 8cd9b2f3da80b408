import copy

import numpy as np
import pytest
from other_weights import changed
from table.authored import Branched, Gated, Halved, Swish
from table.layers import LAYERS
from table.samples import sample

import minitorch_np as mt
from minitorch_np.examples import char_rnn, lenet, resnet, transformer

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator  # noqa: E402

from minitorch_np.interop.onnx import TABLE, exports, to_onnx  # noqa: E402

NOT_IN_THE_EVALUATOR = {  # of onnx's reference evaluator, which says so itself; onnxruntime has them
    "ConvTranspose2d, all options": "cannot reshape array",  # groups
    "RNN, relu, last step": "Unknown activation function 'Relu'",
}


def evaluated(exported, x):
    return ReferenceEvaluator(exported).run(["y"], {"x": x})[0]


def run(exported, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def agrees(y, expected):
    """Within 1e-6 of the largest number, or of 1 where they are smaller."""
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    assert np.abs(y - expected).max() <= 1e-6 * max(1, np.abs(expected).max())


def batches(case):
    return [None] if case.shape == (4,) else [1, 5]  # one sample has none


@pytest.mark.parametrize("name", LAYERS)
def test_the_evaluator_and_onnxruntime_compute_what_the_layer_does(name):
    case = LAYERS[name]
    model = changed(case.make("float32"))
    exported = to_onnx(model, x=case.sample("float32"))
    model.eval()
    for batch in batches(case):
        if batch == 1 and name == "BatchNorm1d, of the batch always":
            batch = 3
        x = case.sample("float32", seed=2, batch=batch)
        expected = model(x)
        agrees(run(exported, x), expected)
        if name in NOT_IN_THE_EVALUATOR:
            with pytest.raises(Exception, match=NOT_IN_THE_EVALUATOR[name]):
                evaluated(exported, x)
        else:
            agrees(evaluated(exported, x), expected)


@pytest.mark.parametrize("opset", [18, 19, 21, 23])
def test_other_versions_of_the_operators_compute_the_same(opset):
    for name, case in LAYERS.items():
        model = changed(case.make("float32"))
        x = case.sample("float32", seed=2)
        exported = to_onnx(model, x=x, opset=opset)
        assert [each.version for each in exported.opset_import] == [opset]
        agrees(run(exported, x), model.eval()(x))
        assert opset >= 20 or "Gelu" not in {node.op_type for node in exported.graph.node}, name


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in NOT_IN_THE_EVALUATOR])
def test_float64_stays_float64(name):
    case = LAYERS[name]
    model, x = changed(case.make("float64")), case.sample("float64", seed=2)
    agrees(evaluated(to_onnx(model, x=x), x), model.eval()(x))


def test_a_layer_norm_of_float64_is_not_computed_in_float32():
    model, x = mt.LayerNorm(64), sample((3, 64))
    np.testing.assert_allclose(evaluated(to_onnx(model, x=x), x), model(x), rtol=1e-12, atol=1e-14)


NETWORKS = {
    "lenet": (lenet, (1, 8, 8), 0),
    "resnet": (resnet, (1, 8, 8), 0),
    "transformer": (transformer, (8,), 13),
    "char_rnn": (char_rnn, (7,), 19),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks(name):
    module, shape, indices = NETWORKS[name]
    model = module.network(np.random.default_rng(0))
    state = model.state_dict()
    rng = np.random.default_rng(1)
    for key in state:  # as after training: no statistics of 0 and 1
        if key.endswith(("running_mean", "running_var")):
            state[key] += rng.uniform(0.1, 0.5, state[key].shape).astype("float32")
    model.load_state_dict(state)
    exported = to_onnx(model, x=(2, *shape))
    model.eval()
    for batch in (1, 3):
        x = rng.integers(0, indices, (batch, *shape)) if indices else sample((batch, *shape), "float32")
        agrees(evaluated(exported, x), model(x))
        agrees(run(exported, x), model(x))


def sizes(value):
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def test_the_batch_stays_open():
    exported = to_onnx(char_rnn.network(np.random.default_rng(0)), x=(5, 7))
    assert sizes(exported.graph.input[0]) == ["N", 7]
    assert sizes(exported.graph.output[0])[0] == "7N"
    exported = to_onnx(mt.Sequential(mt.Linear(3, 4), mt.Transpose(0, 1)))  # the first layer says how many
    assert (sizes(exported.graph.input[0]), sizes(exported.graph.output[0])) == (["N", 3], [4, "N"])


def test_every_public_layer_has_a_form():
    kinds = {getattr(mt.layers, name) for name in mt.layers.__all__} - {mt.Activation}
    assert kinds <= set(TABLE)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_have_the_names_and_numbers_of_the_state(name):
    model = changed(LAYERS[name].make("float32"))
    graph = to_onnx(model, x=LAYERS[name].sample("float32")).graph
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in graph.initializer}
    state = model.state_dict()
    for key in weights.keys() & state.keys():
        assert weights[key].tobytes() == state[key].tobytes()
    recurrent = any(isinstance(layer, mt.RNN | mt.LSTM | mt.GRU) for layer in model.modules())
    counted = {key for key in state if key.endswith("num_batches_tracked")}
    assert recurrent or state.keys() - weights.keys() <= counted


def test_nodes_are_called_as_the_layers():
    block = mt.Residual(mt.Sequential({"up": mt.Linear(4, 4), "act": mt.ReLU()}))
    graph = to_onnx(mt.Sequential(mt.Linear(3, 4), mt.Dropout(), block, mt.GELU(), mt.SiLU())).graph
    assert [(node.name, node.op_type) for node in graph.node] == [
        ("0", "Gemm"),
        ("2.layer.up", "Gemm"),
        ("2.layer.act", "Relu"),
        ("2", "Add"),
        ("3", "Gelu"),
        ("4/Sigmoid", "Sigmoid"),
        ("4/Mul", "Mul"),
    ]
    assert graph.node[0].doc_string == "Linear(3, 4)"
    assert list(graph.node[0].input) == ["x", "0.weight", "0.bias"]
    assert list(graph.node[-1].output) == ["y"]


def test_names_of_layers_that_are_those_of_the_input_and_the_output():
    model = mt.Sequential({"y": mt.Linear(3, 4), "x": mt.Tanh(), "z": mt.Sequential()})
    x = sample((2, 3))
    agrees(evaluated(to_onnx(model), x), model(x))


def test_it_is_the_network_in_evaluation_mode_and_the_model_is_left_alone():
    model = mt.Sequential(mt.Linear(3, 4), mt.BatchNorm1d(4), mt.Dropout(0.5))
    before = copy.deepcopy(model.state_dict())
    exported = to_onnx(model, dtype="float32")
    assert model.training
    assert model[2].training
    assert model.dtype == np.float64
    assert all(before[key].tobytes() == value.tobytes() for key, value in model.state_dict().items())
    x = sample((6, 3), "float32")
    expected = copy.deepcopy(model).astype("float32").eval()(x)
    agrees(run(exported, x), expected)
    agrees(run(to_onnx(mt.Tanh(), x=(2, 3), dtype="float32"), x), np.tanh(x))


def test_a_network_that_does_nothing():
    x = sample((2, 3))
    for model in (mt.Sequential(), mt.Dropout(), mt.Identity()):
        assert evaluated(to_onnx(model, x=x), x).tobytes() == x.tobytes()


def test_it_is_written_whole(tmp_path):
    path = tmp_path / "net.onnx"
    exported = to_onnx(mt.Linear(3, 2, rng=0), path)
    assert onnx.load(path) == exported
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    assert (exported.producer_name, exported.producer_version) == ("minitorch_np", mt.__version__)
    with pytest.raises(ValueError, match="there is no directory"):
        to_onnx(mt.Linear(3, 2), tmp_path / "nowhere" / "net.onnx")
    with pytest.raises(ValueError, match="no form"):
        to_onnx(Swish(), path, (2, 3))
    assert onnx.load(path) == exported


REFUSED = {
    "of two functions": (
        mt.Activation.of(np.tanh, np.cos),
        r"Activation.of\(tanh, cos\) .*Tanh\(\) for np.tanh",
    ),
    "an activation of one's own": (Swish(), r"Swish\(\) .*marked @exports\(Swish\)"),
    "a layer of one's own": (Gated(3), r"Gated\(...\) .*marked @exports\(Gated\)"),
    "a container of one's own": (Branched(mt.ReLU()), r"Branched\(.*marked @exports\(Branched\)"),
    "a subclass": (Halved(3, 3), r"Halved\(3, 3\) .*something else than Linear: write .*@exports\(Halved\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    layer, said = REFUSED[name]
    model = mt.Sequential(mt.Linear(3, 3), mt.Residual(copy.deepcopy(layer)))
    with pytest.raises(
        ValueError, match=rf"no form for {said}.*handwritten\(model, x=x, train=False\)"
    ) as error:
        to_onnx(model)
    assert "layer '1.layer'" in str(error.value)


def test_a_class_of_ones_own_gets_a_form():
    @exports(Swish)
    def swish(graph, layer, x):
        return graph.add("Mul", x, graph.add("Sigmoid", graph.add("Mul", x, graph.number(layer.beta))))

    try:
        model, x = mt.Sequential(mt.Linear(3, 4), Swish(1.5)), sample((2, 3))
        agrees(evaluated(to_onnx(model), x), model(x))
    finally:
        del TABLE[Swish]


def test_what_it_is_given_is_checked():
    model = mt.Linear(3, 2)
    with pytest.raises(ValueError, match=r"opset from 18 to \d+, .*, got 17"):
        to_onnx(model, opset=17)
    with pytest.raises(ValueError, match="opset from 18 to"):
        to_onnx(model, opset=1000)
    with pytest.raises(TypeError, match="expects model to be Layer"):
        to_onnx("Linear(3, 2)")
    with pytest.raises(ValueError, match="expects x or its shape"):
        to_onnx(mt.ReLU())
    with pytest.raises(ValueError, match="expects x of shape"):
        to_onnx(model, x=(2, 4))


@pytest.mark.parametrize(
    "model",
    [
        mt.Sequential(mt.Conv2d(1, 2, 3, rng=0), mt.Flatten(), mt.Linear(200, 3, rng=1)),
        mt.Sequential(mt.Embedding(5, 4, rng=0), mt.LSTM(4, 3, rng=1)),
        mt.LSTM(4, 3, rng=0),
    ],
)
def test_sizes_that_no_layer_says_are_asked_for(model):
    with pytest.raises(ValueError, match=r"expects x or its shape, .* does not say all sizes of its x"):
        to_onnx(model)
