"""activation: a bias is not tfloat32."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def activation_bias_of_tfloat32(a, b):
    tile = nl.load(a)
    column = nl.load(b, dtype=nl.float32)
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=result, data=tile, op=nl.exp, bias=column)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((64, 1), np.float32)
