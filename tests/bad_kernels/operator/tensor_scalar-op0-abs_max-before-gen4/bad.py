"""tensor_scalar: abs_max as op0 came with gen4."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def larger_magnitude(a):
    tile = nl.load(a)
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=result, data=tile, op0=nl.abs_max, operand0=2.0)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
