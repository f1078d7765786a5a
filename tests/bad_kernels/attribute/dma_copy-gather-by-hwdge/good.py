"""dma_copy: index tiles are read by software descriptors."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def dma_copy_gather_by_hwdge(a, b):
    rows = nl.load(b)
    tile = nl.ndarray((16, 32), dtype=nl.float32, buffer=nl.sbuf)
    chosen = a.ap([[32, 16], [1, 32]], vector_offset=rows)
    nisa.dma_copy(dst=tile, src=chosen, dge_mode=nisa.dge_mode.swdge)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.int32)
