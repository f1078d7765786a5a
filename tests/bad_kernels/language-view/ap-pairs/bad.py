"""An access pattern is a list of [step, count] pairs."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def ap_pairs(a):
    tile = nl.load(a)
    result = nl.copy(tile.ap([64, 32]))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
