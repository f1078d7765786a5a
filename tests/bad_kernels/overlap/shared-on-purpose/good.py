"""Reading through one tensor what was written through another is a note."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def shared_on_purpose(a):
    whole = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf, address=(0, 0))
    nisa.dma_copy(dst=whole, src=a)
    bits = whole.view(nl.int32)
    nisa.tensor_scalar(dst=bits, data=bits, op0=nl.bitwise_and, operand0=0x7FFFFFFF)
    out = nl.ndarray(bits.shape, dtype=bits.dtype, buffer=nl.shared_hbm)
    nl.store(out, bits)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
