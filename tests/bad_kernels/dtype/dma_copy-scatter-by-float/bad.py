"""dma_copy: row numbers are 32-bit integers."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def dma_copy_scatter_by_float(a, b):
    rows = nl.load(b)
    tile = nl.load(a[0:16])
    nisa.dma_copy(dst=a.ap([[32, 16], [1, 32]], vector_offset=rows), src=tile)
    return a


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.float32)
