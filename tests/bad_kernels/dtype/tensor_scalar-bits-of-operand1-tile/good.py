"""tensor_scalar: a second bitwise operator takes an integer tile as its operand."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def tensor_scalar_bits_of_operand1_tile(a, b):
    tile = nl.load(a)
    column = nl.load(b)
    result = nl.ndarray((64, 32), dtype=nl.int32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=result, data=tile, op0=nl.bitwise_or, operand0=1, op1=nl.bitwise_and, operand1=tile[:, 0:1])
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.int32), np.ones((64, 1), np.float32)
