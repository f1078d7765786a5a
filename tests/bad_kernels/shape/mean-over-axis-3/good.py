"""A reduction goes over a dimension that is there."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def mean_over_axis_3(a):
    tile = nl.load(a)
    average = nl.mean(tile, axis=1)
    out = nl.ndarray(average.shape, dtype=average.dtype, buffer=nl.shared_hbm)
    nl.store(out, average)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
