"""Arrays for the laws, and what compares them."""

import numpy as np


def sample(shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def grads(layer):
    return {name: parameter.grad.copy() for name, parameter in layer.named_parameters()}


def same_bits(a, b):
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)
