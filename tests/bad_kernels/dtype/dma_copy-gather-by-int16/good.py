"""dma_copy: row numbers are 32-bit integers."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def dma_copy_gather_by_int16(a, b):
    rows = nl.load(b, dtype=nl.int32)
    tile = nl.ndarray((16, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=a.ap([[32, 16], [1, 32]], vector_offset=rows))
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.int16)
