"""tensor_tensor_scan: initial is documented as float32: a warning."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def tensor_tensor_scan_initial_of_bfloat16(a, b):
    tile = nl.load(a)
    column = nl.load(b)
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor_scan(dst=result, data0=tile, data1=tile, initial=nl.copy(column, dtype=nl.float32), op0=nl.multiply, op1=nl.add)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((64, 1), ml_dtypes.bfloat16)
