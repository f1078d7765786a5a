"""Tensors are written by instructions."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def subscript(a):
    tile = nl.load(a)
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    out[0:64] = tile
    return out


def example():
    return (np.ones((64, 32), np.float32),)
