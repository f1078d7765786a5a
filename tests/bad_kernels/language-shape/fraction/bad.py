"""Sizes are integers."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def fraction(a):
    tile = nl.zeros((64, a.shape[1] / 2), dtype=nl.float32)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
