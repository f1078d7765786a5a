"""Tiles are compared by nl's functions."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def compare(a):
    tile = nl.load(a)
    positive = nl.greater(tile, 0.0)
    out = nl.ndarray(positive.shape, dtype=positive.dtype, buffer=nl.shared_hbm)
    nl.store(out, positive)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
