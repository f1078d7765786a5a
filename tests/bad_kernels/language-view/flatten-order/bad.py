"""flatten_dims goes from an outer to an inner dimension."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def flatten_order(a):
    tile = nl.load(a)
    result = nl.copy(tile.flatten_dims(2, 1))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 4, 8), np.float32),)
