"""Networks that go to torch and come back: the same numbers, gradients, options and names."""

from importlib import import_module

import numpy as np
import pytest
from table.layers import LAYERS
from table.losses import LOSSES
from table.optimizers import OPTIMIZERS
from table.samples import sample

import minitorch_np as mt

torch = pytest.importorskip("torch")
nn = torch.nn

from minitorch_np.interop.state_files import read_state, write_safetensors  # noqa: E402
from minitorch_np.interop.torch import from_torch, to_torch  # noqa: E402

CLOSE = {"float64": (1e-9, 1e-12), "float32": (1e-5, 1e-6)}
LOOSE = {"CELU(0.7)": 1e-7, "Hardsigmoid": 1e-7}  # torch has their constants in float32

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:reduction. 'mean' divides")


def as_torch(array):
    return torch.from_numpy(np.array(array))


def ours_of(model, x, dy):
    """The output, and the gradients of x and the parameters, with torch's names and layout."""
    y = model(x)
    dx = None
    if x.dtype.kind == "i":
        model.backward_parameters(dy)
    else:
        dx = model.backward(dy, input_grad=True) if isinstance(model, mt.Sequential) else model.backward(dy)
    gradients = {
        name: getattr(layer, own).grad.T if own in layer.transposed_in_torch else getattr(layer, own).grad
        for name, layer, own in model._named_arrays()
        if own not in layer.buffer_names
    }
    return y, dx, gradients


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_goes_there_and_back(name, dtype):
    layer = LAYERS[name].make(dtype)
    theirs = to_torch(layer)
    x = LAYERS[name].sample(dtype)
    tensor = as_torch(x)
    if x.dtype.kind == "f":
        tensor.requires_grad_()
    their_y = theirs(tensor)
    dy = sample(tuple(their_y.shape), dtype, seed=1)
    y, dx, gradients = ours_of(layer, x, dy)
    their_y.backward(as_torch(dy))
    rtol, atol = CLOSE[dtype]
    rtol = LOOSE.get(name, rtol)
    np.testing.assert_allclose(y, their_y.detach().numpy(), rtol=rtol, atol=atol)
    if dx is not None:
        np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=rtol, atol=10 * atol)
    their_gradients = {n: p.grad.numpy() for n, p in theirs.named_parameters()}
    assert gradients.keys() == their_gradients.keys()
    for key, gradient in gradients.items():
        np.testing.assert_allclose(gradient, their_gradients[key], rtol=rtol, atol=10 * atol, err_msg=key)

    layer = LAYERS[name].make(dtype)  # its statistics are those of the beginning
    theirs = to_torch(layer)
    back = from_torch(theirs)
    assert repr(back) == repr(layer)
    assert [each.training for each in back.modules()] == [each.training for each in layer.modules()]
    same_state(back.state_dict(), layer.state_dict())
    same_state({k: t.numpy() for k, t in theirs.state_dict().items()}, layer.state_dict(layout="torch"))


def modes(module):
    """Whether it is in training, of a layer or module and all inside, in depth first order."""
    return [module.training, *(mode for _, child in module.named_children() for mode in modes(child))]


def test_every_mode_goes_there_and_back():
    branch = mt.Residual(mt.Sequential(mt.Dropout(), mt.BatchNorm1d(4)))
    model = mt.Sequential(mt.Parallel([branch, mt.Dropout()]), mt.Sequential(mt.Linear(4, 2)))
    rng = np.random.default_rng(0)
    for _ in range(5):
        for layer in model.modules():
            layer.training = bool(rng.integers(2))
        theirs = to_torch(model)
        assert modes(theirs) == modes(model)
        assert modes(from_torch(theirs)) == modes(model)


def same_state(state, expected):
    counts = {key for key in state.keys() - expected.keys() if key.endswith("num_batches_tracked")}
    assert state.keys() - counts == expected.keys()
    assert all(np.array_equal(state[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_goes_there_and_back(name):
    case = LOSSES[name]
    loss, target = case.make(), np.asarray(case.target)
    prediction = as_torch(case.prediction).requires_grad_()
    theirs = to_torch(loss)
    their_value = theirs(prediction, as_torch(target))
    their_value.sum().backward()
    np.testing.assert_allclose(loss(case.prediction, target), their_value.detach().numpy(), rtol=1e-9)
    if loss.reduction != "none":
        np.testing.assert_allclose(loss.backward(), prediction.grad.numpy(), rtol=1e-9, atol=1e-15)
    back = from_torch(theirs)
    np.testing.assert_array_equal(back(case.prediction, target), loss(case.prediction, target))
    if type(loss) in (mt.SquaredLoss, mt.MSELoss):  # torch has one of them
        assert (type(back), back.reduction) == (mt.MSELoss, loss.reduction)
    else:
        assert repr(back) == repr(loss)


def by_torch():
    """Networks as one has them in torch, and the shape that they take."""
    image = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding="same", padding_mode="circular"),
        nn.BatchNorm2d(4, momentum=None),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Dropout(0.25),
        nn.Sequential(nn.Flatten(), nn.Linear(4 * 3 * 3, 2, bias=False)),
    )
    encoder = nn.TransformerEncoderLayer(8, 2, 5, 0.0, nn.GELU(), batch_first=True, norm_first=True)
    return {
        "image": (image, (2, 1, 5, 5)),
        "LSTM": (nn.LSTM(4, 3, 2, bidirectional=True, batch_first=True), (2, 5, 4)),
        "GRU": (nn.GRU(4, 3, batch_first=True), (2, 5, 4)),
        "RNN": (nn.RNN(4, 3, nonlinearity="relu", bias=False, batch_first=True), (2, 5, 4)),
        "encoder": (nn.TransformerEncoder(encoder, 2, nn.LayerNorm(8), enable_nested_tensor=False), (2, 3, 8)),
        "without weights": (nn.Sequential(nn.LayerNorm(4, elementwise_affine=False), nn.RMSNorm(4)), (5, 4)),
        "upsampled": (nn.Upsample(scale_factor=2), (2, 3, 2, 2)),
    }


@pytest.mark.parametrize("name", by_torch())
def test_what_was_built_in_torch(name):
    torch.manual_seed(0)
    theirs, shape = by_torch()[name]
    theirs = theirs.double().eval()
    model = from_torch(theirs)
    x = sample(shape, "float64")
    y = theirs(as_torch(x))
    y = y[0] if isinstance(y, tuple) else y
    np.testing.assert_allclose(model(x), y.detach().numpy(), rtol=1e-9, atol=1e-12)
    assert not any(layer.training for layer in model.modules())
    same_state({k: t.numpy() for k, t in theirs.state_dict().items()}, model.state_dict(layout="torch"))


def test_relu_differs_at_exactly_zero():
    layer, x = mt.ReLU(), np.array([[-1.0, 0, 1]])
    tensor = as_torch(x).requires_grad_()
    to_torch(layer)(tensor).sum().backward()
    layer(x)
    assert layer.backward(np.ones_like(x)).tolist() == [[0, 1, 1]]
    assert tensor.grad.tolist() == [[0, 0, 1]]


class Block(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 3), nn.ReLU())


def test_a_class_that_only_says_what_is_in_it():
    model = from_torch(nn.Sequential(Block(), nn.Linear(3, 2)).double())
    assert repr(model) == "Sequential(Sequential(Linear(4, 3), ReLU()), Linear(3, 2))"


def test_files_of_torch_and_of_ours(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    model = mt.Sequential(mt.Conv2d(1, 2, 3), mt.Flatten(), mt.Linear(8, 3)).astype("float32")
    theirs, path = to_torch(model), tmp_path / "net.safetensors"
    write_safetensors(path, model.state_dict(layout="torch"))
    state = safetensors.load_file(path)
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in state.items())
    for options in (
        {},
        {"_use_new_zipfile_serialization": False},
        {"pickle_protocol": 4},
        {"pickle_protocol": 5},
    ):
        torch.save(theirs.state_dict(), tmp_path / "net.pt", **options)
        model[2].weight.data = np.zeros((8, 3), "float32")
        model.load_state_dict(read_state(tmp_path / "net.pt"), layout="torch")
        same_state({name: t.numpy() for name, t in state.items()}, model.state_dict(layout="torch"))
    torch.save(torch.tensor([1 + 2j]).conj().imag, tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"net\.pt cannot be read"):
        read_state(tmp_path / "net.pt")


@pytest.mark.parametrize("name", ["autoencoder", "char_rnn", "lenet", "resnet", "transformer"])
def test_the_examples_go_there_and_back(name):
    model = import_module(f"minitorch_np.examples.{name}").network(np.random.default_rng(0))
    back = from_torch(to_torch(model))
    assert repr(back) == repr(model)
    same_state(back.state_dict(), model.state_dict())


def test_attention_is_that_of_one_input():
    theirs = nn.MultiheadAttention(6, 2, batch_first=True).double()
    x = sample((2, 3, 6), "float64")
    tensor = as_torch(x)
    expected = theirs(tensor, tensor, tensor)[0].detach().numpy()
    np.testing.assert_allclose(from_torch(theirs)(x), expected, rtol=1e-9, atol=1e-12)


def test_networks_of_ours_train_alike_in_torch():
    model = mt.Sequential(
        mt.Residual(mt.Sequential(mt.Linear(4, 6, rng=0), mt.Tanh(), mt.Linear(6, 4, rng=1))), mt.Linear(4, 2)
    )
    theirs = to_torch(model)
    x, y = sample((8, 4), "float64"), sample((8, 2), "float64", seed=1)
    loss, optimizer = mt.MSELoss(), mt.Adam(model.parameters(), lr=0.01)
    their_loss, their_optimizer = to_torch(loss), torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(20):
        value = loss(model(x), y)
        model.backward(loss.backward())
        optimizer.step()
        their_optimizer.zero_grad()
        their_value = their_loss(theirs(as_torch(x)), as_torch(y))
        their_value.backward()
        their_optimizer.step()
    assert value == pytest.approx(their_value.item(), rel=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_go_on_in_torch_and_back(name):
    model = mt.Sequential(mt.Linear(3, 2, rng=0), mt.Linear(2, 2, rng=1))
    optimizer = OPTIMIZERS[name](model.parameters())
    x = sample((5, 3), "float64") / 5

    def step(model, optimizer):
        model.backward(np.tanh(model(x)))  # it stays small, with every rule
        optimizer.step()

    for _ in range(7):
        step(model, optimizer)
    theirs = to_torch(model)
    their_class = getattr(torch.optim, type(optimizer).__name__)
    their_optimizer = their_class(theirs.parameters(), lr=0.5)
    given = optimizer.state_dict(layout="torch")
    tensors = {i: {k: torch.from_numpy(a) for k, a in entry.items()} for i, entry in given["state"].items()}
    their_optimizer.load_state_dict(given | {"state": tensors})
    again = from_torch(theirs)
    back = OPTIMIZERS[name](again.parameters())
    back.load_state_dict(their_optimizer.state_dict(), layout="torch")
    assert repr(back) == repr(optimizer)
    for _ in range(5):
        step(model, optimizer)
        step(again, back)
        their_optimizer.zero_grad()
        y = theirs(as_torch(x))
        y.backward(y.detach().tanh())
        their_optimizer.step()
    same_state(again.state_dict(), model.state_dict())
    for key, array in model.state_dict(layout="torch").items():
        np.testing.assert_allclose(array, theirs.state_dict()[key].numpy(), rtol=1e-7, atol=1e-9)


def test_torchs_generator_is_left_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    to_torch(mt.Sequential(mt.Linear(3, 2), mt.Dropout()))
    assert torch.equal(torch.random.get_rng_state(), before)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = nn.ReLU()

    def forward(self, x):
        return self.module(x) + 1


def changed(change):
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    change(module[0])
    return module


def changed_loss():
    module = nn.MSELoss()
    module.register_forward_hook(print)
    return module


def encoder(**parts):
    module = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    for name, part in parts.items():
        setattr(module, name, part)
    return nn.Sequential(module)


class Adapted(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


SHARED = nn.Linear(2, 2)
REFUSED = {
    "a class of one's own": (
        nn.Sequential(nn.ReLU(), Own()),
        r"1: \S+Own has no counterpart here: compose it of",
    ),
    "another layer": (
        nn.Sequential(nn.Bilinear(2, 2, 2)),
        r"0: torch\.nn\.modules\S+Bilinear has no counterpart",
    ),
    "lazy": (nn.LazyLinear(2), "LazyLinear has no sizes yet: give it an x first"),
    "a layer twice": (nn.Sequential(SHARED, nn.ReLU(), SHARED), "0 and 2 are one module"),
    "batch second": (nn.LSTM(2, 3), "batch_first"),
    "projections": (nn.LSTM(4, 3, proj_size=2, batch_first=True), "LSTM with proj_size is not there"),
    "two inputs": (nn.MultiheadAttention(4, 2, kdim=3, batch_first=True), "with kdim, vdim"),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), "Upsample expects mode .*'bilinear'"),
    "indices": (nn.MaxPool2d(2, return_indices=True), "MaxPool2d with return_indices=True is not there"),
    "norms": (nn.Embedding(3, 2, max_norm=1.0), "Embedding with max_norm=1.0 is not there"),
    "half": (nn.Linear(2, 2).half(), r"Linear of {torch.float16}: float32 or float64 .* module\.float\(\)"),
    "hooks": (changed(lambda layer: layer.register_forward_hook(print)), "0: Linear has hooks"),
    "parametrized": (changed(nn.utils.parametrizations.weight_norm), "0: parametrizations are not there"),
    "softmax of no axis": (nn.Softmax(), "Softmax expects dim to be the number of an axis, got None"),
    "biasless": (nn.BatchNorm1d(2, bias=False), "BatchNorm1d with bias=False is not there"),
    "another norm": (encoder(norm1=nn.RMSNorm(4, 1e-5)), r"0\.norm1: RMSNorm is in the place of LayerNorm"),
    "a part of one's own": (encoder(linear1=Adapted(4, 8)), r"0\.linear1: Adapted is in the place of Linear"),
    "a hook inside": (
        encoder(linear2=changed(lambda layer: layer.register_forward_hook(print))[0]),
        r"0\.linear2: Linear has hooks",
    ),
    "a function": (encoder(activation=torch.tanh), r"0: activation=\S+.*is a function: .* as nn\.Tanh\(\)"),
    "no numbers": (nn.Sequential(nn.Linear(2, 2, device="meta")), r"0\.weight is on the device meta"),
    "hooks of a loss": (changed_loss(), "MSELoss has hooks"),
    "wrapped": (nn.DataParallel(nn.Linear(2, 2)), "DataParallel wraps another module: give its module"),
    "another loss": (nn.CosineEmbeddingLoss(), "CosineEmbeddingLoss has no counterpart"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_there_is_refused_by_name(name):
    module, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        from_torch(module)
    assert "\n" not in str(caught.value)


def test_tied_weights_are_refused():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    with pytest.raises(ValueError, match=r"0\.weight and 1\.weight are one parameter"):
        from_torch(module)


def test_frozen_parameters_are_said():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    with pytest.warns(UserWarning, match=r"0\.weight, 0\.bias: frozen in torch, trained here"):
        from_torch(module)


class Doubled(mt.Activation):
    def function(self, x):
        return 2 * x

    def derivative(self, x, y):
        return np.full_like(x, 2)


@pytest.mark.parametrize("own", [Doubled(), mt.Activation.of(np.sin, np.cos)])
def test_own_layers_are_refused(own):
    with pytest.raises(ValueError, match=r"1: .* is a layer of your own, which torch does not have"):
        to_torch(mt.Sequential(mt.Linear(2, 2), own))


def test_what_is_no_layer():
    with pytest.raises(TypeError, match=r"to_torch expects a layer, a network or a loss, got 3"):
        to_torch(3)
    with pytest.raises(TypeError, match=r"from_torch expects a torch\.nn\.Module, got int"):
        from_torch(3)
