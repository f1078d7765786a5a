"""`...` stands for all dimensions that are not named, once."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def two_ellipses(a):
    tile = nl.load(a[..., 0, ...])
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64, 2, 32), np.float32),)
