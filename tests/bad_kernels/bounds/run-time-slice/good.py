"""A run-time start leaves room for the pattern."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_slice(a):
    tile = nl.load(a)
    r = nisa.register_alloc(16)
    result = nl.ndarray((64, 16), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=tile.ap([[32, 64], [1, 16]], scalar_offset=r, indirect_dim=1))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
