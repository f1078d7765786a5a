"""There is at most one index for each dimension."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def too_many(a):
    tile = nl.load(a[0:64, 0:32, 0])
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
