"""A read of undefined bytes that does no harm is a note."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def read_without_harm():
    tile = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=tile[:, 0:32], value=1.0)
    doubled = nl.multiply(tile, 2.0)
    half = nl.copy(doubled[:, 0:16])
    out = nl.ndarray(half.shape, dtype=half.dtype, buffer=nl.shared_hbm)
    nl.store(out, half)
    return out


def example():
    return ()
