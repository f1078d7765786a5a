"""iota: GpSimd does not reach PSUM."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def iota_psum():
    numbers = nl.ndarray((64, 32), dtype=nl.int32, buffer=nl.sbuf)
    nisa.iota(dst=numbers, pattern=[[1, 32]])
    out = nl.ndarray(numbers.shape, dtype=numbers.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(numbers))
    return out


def example():
    return ()
