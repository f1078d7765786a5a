"""A slice ends inside its dimension: NKI does not clip."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def slice_kernel(a):
    tile = nl.load(a[64:192])
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((160, 32), np.float32),)
