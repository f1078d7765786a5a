"""dma_copy: index tiles are read by software descriptors."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def dma_copy_scatter_by_hwdge(a, b):
    rows = nl.load(b)
    tile = nl.load(a[0:16])
    chosen = a.ap([[32, 16], [1, 32]], vector_offset=rows)
    nisa.dma_copy(dst=chosen, src=tile, dge_mode=nisa.dge_mode.hwdge)
    return a


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.int32)
