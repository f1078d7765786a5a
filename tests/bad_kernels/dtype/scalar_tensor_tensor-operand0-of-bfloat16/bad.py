"""scalar_tensor_tensor: operand0 is documented as float32: a warning."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def scalar_tensor_tensor_operand0_of_bfloat16(a, b):
    tile = nl.load(a)
    column = nl.load(b)
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.scalar_tensor_tensor(dst=result, data=tile, op0=nl.multiply, operand0=column, op1=nl.add, operand1=tile)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((64, 1), ml_dtypes.bfloat16)
