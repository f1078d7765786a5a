"""tensor_copy_predicated: a predicate is an unsigned integer."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def tensor_copy_predicated_float_predicate(a, b):
    tile = nl.load(a)
    mask = nl.load(b)
    result = nl.zeros((64, 32), dtype=nl.float32)
    nisa.tensor_copy_predicated(dst=result, src=tile, predicate=mask)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((64, 32), np.uint8)
