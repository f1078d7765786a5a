"""nl's functions record instructions of a kernel; outside of one there is nothing to record."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def argument(a):
    tile = nl.load(a)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (nl.zeros((64, 32), dtype=np.float32),)
