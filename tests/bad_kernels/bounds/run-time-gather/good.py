"""Row numbers of a gather lie inside the tensor when the kernel runs."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_gather(a, b):
    rows = nl.load(b)
    tile = nl.zeros((16, 32), dtype=nl.float32)
    mode = nisa.oob_mode.skip
    nisa.dma_copy(dst=tile, src=a.ap([[32, 16], [1, 32]], vector_offset=rows), oob_mode=mode)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return np.ones((64, 32), np.float32), np.full((16, 1), 64, np.int32)
