"""A reshape does not copy."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def reshape_gaps(a):
    tile = nl.load(a)
    result = nl.copy(tile[:, 0:4, 0:4].reshape((64, 4, 4)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 4, 8), np.float32),)
