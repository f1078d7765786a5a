"""A failed assertion of the kernel is shown where it stands."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def assert_kernel(a):
    assert a.shape[1] % 32 == 0, f"columns {a.shape[1]} are not a multiple of 32"
    tile = nl.load(a)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
