"""At most one size is left open."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def view_reshape_two_unknown(a):
    tile = nl.load(a)
    result = nl.copy(tile.reshape((64, -1, -1)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
