"""tensor_copy_predicated: a predicated copy does not cast."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def tensor_copy_predicated_cast(a, b):
    tile = nl.load(a)
    mask = nl.load(b)
    result = nl.zeros((64, 32), dtype=nl.float32)
    nisa.tensor_copy_predicated(dst=result, src=nl.copy(tile, dtype=nl.float32), predicate=mask)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), ml_dtypes.bfloat16), np.ones((64, 32), np.uint8)
