"""memset: integer tiles take whole numbers."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def memset_fraction_in_integers():
    result = nl.ndarray((64, 32), dtype=nl.int32, buffer=nl.sbuf)
    nisa.memset(dst=result, value=0.5)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return ()
