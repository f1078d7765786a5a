"""One tile fits a partition of PSUM."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def psum_one():
    tile = nl.ndarray((128, 4096), dtype=nl.float32, buffer=nl.psum)
    nisa.memset(dst=tile, value=0.0)
    total = nl.sum(tile, axis=1)
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return ()
