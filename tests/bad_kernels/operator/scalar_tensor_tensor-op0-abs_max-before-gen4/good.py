"""scalar_tensor_tensor: abs_max as op0 came with gen4."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def larger_magnitude(a):
    tile = nl.load(a)
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.scalar_tensor_tensor(dst=result, data=tile, op0=nl.maximum, operand0=2.0, op1=nl.add, operand1=tile)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
