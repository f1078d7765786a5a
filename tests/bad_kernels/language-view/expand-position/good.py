"""A new dimension stands among the others."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def expand_position(a):
    tile = nl.load(a)
    result = nl.copy(tile.expand_dim(2))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
