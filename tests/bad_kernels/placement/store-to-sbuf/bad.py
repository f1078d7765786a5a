"""nl.store writes HBM."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def store_to_sbuf(a):
    tile = nl.load(a)
    out = nl.ndarray((64, 32), dtype=a.dtype, buffer=nl.sbuf)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
