"""With precise=False narrow floats are float32, so that their bits cannot be looked at."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel(precise=False)
def precise(a):
    tile = nl.load(a)
    bits = tile.view(nl.int16)
    result = nl.ndarray((64, 32), dtype=nl.int16, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=result, data=bits, op0=nl.bitwise_and, operand0=0x7FFF)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), ml_dtypes.bfloat16),)
