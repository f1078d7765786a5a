"""A `while` loop ends when its register becomes 0."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def while_kernel():
    tile = nl.zeros((1, 8), dtype=nl.int32)
    again = nisa.register_alloc(1)
    while again:
        nisa.memset(dst=tile, value=1)
        nisa.register_move(again, 0)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return ()
