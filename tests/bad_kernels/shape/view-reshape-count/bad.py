"""A reshape keeps the number of elements."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def view_reshape_count(a):
    tile = nl.load(a)
    result = nl.copy(tile.reshape((64, 4, 4)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
