"""A raw access pattern stays inside its tensor."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def pattern(a):
    tile = nl.load(a)
    tail = tile.ap([[32, 64], [2, 16]], offset=1)
    result = nl.ndarray((64, 16), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=tail)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
