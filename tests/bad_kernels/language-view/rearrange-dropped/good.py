"""rearrange keeps every dimension."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def rearrange_dropped(a):
    tile = nl.load(a)
    result = nl.copy(tile.rearrange(("p", "f", "g"), ("p", "g", "f")))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 4, 8), np.float32),)
