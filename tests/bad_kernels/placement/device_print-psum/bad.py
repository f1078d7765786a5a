"""device_print: prints tensors in SBUF and HBM."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def device_print_psum():
    tile = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.psum)
    nisa.memset(dst=tile, value=1.0)
    nl.device_print("tile", tile)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(tile))
    return out


def example():
    return ()
