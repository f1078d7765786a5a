"""tensor_tensor: bitwise operators take integers."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def tensor_tensor_bits_of_data1(a, b):
    tile = nl.load(a)
    floats = nl.load(b)
    result = nl.ndarray((64, 32), dtype=nl.int32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=result, data1=floats, data2=tile, op=nl.bitwise_and)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.int32), np.ones((64, 32), np.float32)
