"""A raw access pattern stays inside the partitions."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def pattern_partitions(a):
    tile = nl.load(a)
    shifted = tile.ap([[32, 32], [1, 32]], offset=32 * 32)
    result = nl.ndarray(shifted.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=shifted)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
