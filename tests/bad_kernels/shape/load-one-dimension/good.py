"""A tile has two dimensions."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def load_one_dimension(a):
    tile = nl.load(a.reshape((1, 64)))
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64,), np.float32),)
