"""Arguments have types that NKI has."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def argument_float64(a):
    tile = nl.load(a)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64, 32), np.float64),)
