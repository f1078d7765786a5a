"""nl.ds ends inside its dimension too."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def ds(a):
    tile = nl.load(a[nl.ds(128, 32)])
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((160, 32), np.float32),)
