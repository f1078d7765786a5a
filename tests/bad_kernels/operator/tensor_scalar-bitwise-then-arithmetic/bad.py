"""tensor_scalar: two operators are both bitwise or both arithmetic."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def tensor_scalar_bitwise_then_arithmetic(a):
    tile = nl.load(a)
    result = nl.ndarray((64, 32), dtype=nl.int32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=result, data=tile, op0=nl.bitwise_and, operand0=7, op1=nl.add, operand1=1)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.int32),)
