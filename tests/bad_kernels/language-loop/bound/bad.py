"""A bound is an integer or a register."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def bound():
    tile = nl.zeros((1, 8), dtype=nl.int32)
    for i in nl.dynamic_range(8 / 2):
        nisa.memset(dst=tile[0:1, i], value=1)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return ()
