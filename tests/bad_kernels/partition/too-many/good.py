"""On chip there are 128 partitions."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def too_many(a):
    tile = nl.ndarray((128, 64), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=a[0 : tile.shape[0]])
    doubled = nl.multiply(tile, 2.0)
    out = nl.ndarray(doubled.shape, dtype=doubled.dtype, buffer=nl.shared_hbm)
    nl.store(out, doubled)
    return out


def example():
    return (np.ones((256, 64), np.float32),)
