import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study.targets import fitting_shape


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        ([mt.Linear(6, 3)], (6,)),
        ([mt.Tanh()], (4,)),
        ([mt.Linear(6, 3), mt.LSTM(3, 2)], (8, 6)),
        ([mt.LayerNorm((3, 4))], (3, 4)),
        ([mt.ZeroPad2d(1), mt.Conv2d(1, 2, 3)], (1, 8, 8)),
        ([mt.Upsample(scale_factor=2), mt.Conv2d(1, 1, 3)], (1, 8, 8)),
        ([mt.Unflatten(1, (1, 8, 8)), mt.Conv2d(1, 4, 3)], (64,)),
        ([mt.Conv2d(1, 4, 3), mt.Flatten(), mt.Linear(100, 2)], (1, 7, 7)),
        ([mt.Embedding(10, 4), mt.LSTM(4, 3)], (8,)),
        ([mt.Embedding(10, 4), mt.PositionalEmbedding(5, 4), mt.TransformerEncoderLayer(4, 2, 8)], (1,)),
        ([mt.Embedding(10, 4), mt.Conv1d(7, 2, 3)], (7,)),
        ([mt.Embedding(10, 4), mt.Flatten(), mt.Linear(20, 2)], (5,)),
    ],
    ids=lambda value: repr(value) if isinstance(value, tuple) else "-".join(type(v).__name__ for v in value),
)
def test_a_shape_that_the_network_takes(layers, sizes):
    model = mt.Sequential(layers)
    before = model.state_dict()
    assert fitting_shape(model, 5) == (5, *sizes)
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


def test_where_no_shape_fits_the_message_says_how_to_give_one():
    with pytest.raises(ValueError, match=r"Linear\(4, 3\) expects .*, got \(5, 3\) .*--shape 5,4"):
        fitting_shape(mt.Sequential(mt.Linear(4, 3), mt.Linear(4, 3)), 5)
