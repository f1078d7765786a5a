"""A shape is a tuple."""

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def number():
    tile = nl.zeros((64, 1), dtype=nl.float32)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return ()
