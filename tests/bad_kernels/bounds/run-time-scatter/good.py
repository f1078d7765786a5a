"""Row numbers of a scatter lie inside the tensor when the kernel runs."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_scatter(a, b):
    rows = nl.load(b)
    tile = nl.load(a[0:16])
    mode = nisa.oob_mode.skip
    nisa.dma_copy(dst=a.ap([[32, 16], [1, 32]], vector_offset=rows), src=tile, oob_mode=mode)
    return a


def example():
    return np.ones((64, 32), np.float32), np.full((16, 1), -1, np.int32)
