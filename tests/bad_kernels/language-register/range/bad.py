"""A register is no bound of Python's range."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def range_kernel():
    tile = nl.zeros((1, 8), dtype=nl.int32)
    r = nisa.register_alloc(4)
    for i in range(r):
        nisa.memset(dst=tile[0:1, i], value=1)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return ()
