"""The body of nl.while_loop returns the next condition."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def while_without_condition():
    tile = nl.zeros((1, 8), dtype=nl.int32)
    done = nisa.register_alloc(0)

    def body(condition):
        nisa.memset(dst=tile, value=1)
        return None

    nl.while_loop(nisa.register_alloc(1), body)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return ()
