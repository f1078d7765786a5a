"""On-chip tensors keep two dimensions."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def squeeze_two(a):
    tile = nl.load(a)
    result = nl.copy(tile.squeeze_dim(1))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 1), np.float32),)
