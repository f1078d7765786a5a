"""What is returned is written."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def never_written(a):
    tile = nl.load(a)
    out = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.shared_hbm)
    scratch = out
    nl.store(scratch, tile)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
