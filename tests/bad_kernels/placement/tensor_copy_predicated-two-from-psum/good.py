"""tensor_copy_predicated: at most one of two inputs comes from PSUM."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def tensor_copy_predicated_two_from_psum(a):
    tile = nl.load(a)
    source = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.psum)
    nisa.tensor_copy(dst=source, src=tile)
    mask = nl.ndarray((64, 32), dtype=nl.uint8, buffer=nl.psum)
    nisa.memset(dst=mask, value=1)
    result = nl.zeros((64, 32), dtype=nl.float32)
    nisa.tensor_copy_predicated(dst=result, src=tile, predicate=mask)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
