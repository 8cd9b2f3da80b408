import numpy as np

import minitorch_np as mt
from minitorch_np._internal.flat_buffers import BLOCK_BYTES, FlatBuffers


def parameters(*sizes):
    return tuple(mt.Parameter(np.random.default_rng(n).standard_normal(n)) for n in sizes)


def test_parameters_become_views_with_their_numbers():
    params = parameters(3, 8, 20)
    params[1].add_grad(np.arange(8.0))
    before = [p.data.copy() for p in params]
    storage = FlatBuffers(params)
    for i, (p, data) in enumerate(zip(params, before, strict=True)):
        assert (p.data == data).all()
        assert np.shares_memory(p.data, storage.data)
        assert np.shares_memory(p.grad, storage.grad)
        assert (storage.view(storage.data, i) == data).all()
    assert params[1].grad.tolist() == list(range(8))
    assert params[1].has_grad


def test_blocks_cover_the_parameters_once():
    params = parameters(5, 3 * BLOCK_BYTES // 8 + 7, 9)
    storage = FlatBuffers(params)
    for p in params:
        p.add_grad(np.ones(p.shape))
    ((step, blocks),), steps = storage.pending()
    assert step == 1
    assert all(w.nbytes <= BLOCK_BYTES for w, _, _ in blocks)
    for w, g, _ in blocks:
        w += g
    for p, expected in zip(params, parameters(*(p.size for p in params)), strict=True):
        assert (p.data == expected.data + 1).all()
    storage.consume(steps)
    assert storage.pending() == ([], steps)


def test_runs_are_parameters_side_by_side_with_equally_many_steps():
    params = parameters(16, 16, 16, 16)
    storage = FlatBuffers(params)
    storage.steps = [0, 0, 4, 0]
    for i in (0, 1, 2):
        params[i].add_grad(np.ones(16))
    found, steps = storage.pending()
    assert [(step, sum(w.size for w, _, _ in blocks)) for step, blocks in found] == [(1, 32), (5, 16)]
    assert storage.steps == [0, 0, 4, 0]
    storage.consume(steps)
    assert storage.steps == [1, 1, 5, 0]


def test_states_follow_when_the_dtype_changes():
    params = parameters(8, 8)
    storage = FlatBuffers(params)
    storage.require(("v",))
    storage.states["v"][...] = 2
    for p in params:
        p.rebind(np.zeros(8, "float32"), np.zeros(8, "float32"), owner=None)
        p.add_grad(np.ones(8, "float32"))
    ((_, blocks),), _ = storage.pending()
    assert {a.dtype for w, g, state in blocks for a in (w, g, state["v"])} == {np.dtype("float32")}
    assert (storage.states["v"] == 2).all()
    assert np.shares_memory(params[1].data, storage.data)


def test_states_start_where_they_are_told_to():
    storage = FlatBuffers(parameters(8, 20))
    storage.require(("sum",), 0.5)
    storage.require(("sum", "v"))
    assert set(storage.states["sum"]) == {0.5}
    assert set(storage.states["v"]) == {0.0}
