"""An address in PSUM is a multiple of 4 bytes."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def address_alignment():
    tile = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.psum, address=(0, 2))
    nisa.memset(dst=tile, value=1.0)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(tile))
    return out


def example():
    return ()
