"""Constants have types that NKI has."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def shared_constant_int64():
    table = nl.shared_constant(np.arange(64, dtype=np.int32).reshape(64, 1))
    tile = nl.load(table)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return ()
