"""One undefined element makes the sum undefined."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def reduction():
    tile = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=tile[:, 1:32], value=1.0)
    total = nl.sum(tile, axis=1)
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return ()
