"""A predicate decides from bytes that are there."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def predicate(a):
    tile = nl.load(a)
    mask = nl.ndarray((64, 32), dtype=nl.uint8, buffer=nl.sbuf)
    nisa.memset(dst=mask[0:32], value=1)
    result = nl.zeros((64, 32), dtype=nl.float32)
    nisa.tensor_copy_predicated(dst=result, src=tile, predicate=mask)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
