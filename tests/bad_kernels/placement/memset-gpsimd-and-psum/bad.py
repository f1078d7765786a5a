"""memset: GpSimd does not reach PSUM."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def memset_gpsimd_and_psum():
    zeros = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.psum)
    nisa.memset(dst=zeros, value=0.0, engine=nisa.engine.gpsimd)
    out = nl.ndarray(zeros.shape, dtype=zeros.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(zeros))
    return out


def example():
    return ()
