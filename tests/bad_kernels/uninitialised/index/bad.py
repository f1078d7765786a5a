"""Row numbers are bytes that are there."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def index(a):
    rows = nl.ndarray((16, 1), dtype=nl.int32, buffer=nl.sbuf)
    tile = nl.ndarray((16, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.iota(dst=rows[0:8], pattern=[[0, 1]], channel_multiplier=1)
    nisa.dma_copy(dst=tile, src=a.ap([[32, 16], [1, 32]], vector_offset=rows))
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
