"""No public class is missing from the table of laws."""

import inspect

import numpy as np
from table.layers import LAYERS
from table.losses import LOSSES
from table.optimizers import OPTIMIZERS
from table.schedules import SCHEDULES

import minitorch_np as mt


def test_every_public_class_is_in_the_table():
    made = [case.make("float64") for case in LAYERS.values()] + [case.make() for case in LOSSES.values()]
    made += [make([mt.Parameter(np.ones(2))]) for make in OPTIMIZERS.values()]
    made += [make(mt.SGD([mt.Parameter(np.ones(2))], momentum=0.9)) for make in SCHEDULES.values()]
    public = [getattr(mt, name) for name in mt.__all__]
    bases = {mt.Layer, mt.Activation, mt.Loss, mt.Optimizer, mt.LRScheduler, mt.Schedule}
    expected = {c for c in public if inspect.isclass(c) and issubclass(c, tuple(bases))} - bases
    assert expected - {type(thing) for thing in made} == set()
