"""nl.load reads a tensor."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def load_number(a, scale):
    tile = nl.load(scale)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return np.ones((64, 32), np.float32), 2.0
