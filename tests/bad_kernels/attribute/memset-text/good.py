"""memset: the value is a number."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def memset_text():
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=result, value=0.0)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return ()
