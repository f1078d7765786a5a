"""On chip there are 128 partitions; nl.load takes as many as its source has rows."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def too_many_loaded(a):
    tile = nl.load(a)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((256, 64), np.float32),)
