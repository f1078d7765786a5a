"""tensor_tensor: abs_max came with gen4."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def larger_magnitude(a):
    tile = nl.load(a)
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=result, data1=tile, data2=tile, op=nl.maximum)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
