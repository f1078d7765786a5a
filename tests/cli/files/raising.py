"""Kernels and examples whose own Python raises."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example

SIZES = {"small": 128}


def size_of(name):
    return SIZES[name]


@kernel
def looks_up(x):
    nl.store(x, nl.load(x[0 : size_of("large")]))


@kernel
def copied(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    nl.store(result, nl.load(x))
    return result


@kernel
def copied_again(x):
    return copied(x)


def no_inputs(_rng):
    raise ValueError("the data file is not here")


def fails(_x):
    raise ZeroDivisionError("in the reference")


EXAMPLES = {
    "looks_up": Example(inputs=lambda rng: (np.ones((4, 4), np.float32),)),
    "copied": Example(inputs=no_inputs),
    "copied_again": Example(inputs=lambda rng: (np.ones((4, 4), np.float32),), reference=fails),
}
