"""nl.transpose takes two dimensions."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def transpose_three(a):
    tile = nl.load(a)
    turned = nl.transpose(tile.reshape((64, 32)), dtype=nl.bfloat16)
    out = nl.ndarray(turned.shape, dtype=turned.dtype, buffer=nl.shared_hbm)
    nl.store(out, turned)
    return out


def example():
    return (np.ones((64, 4, 8), np.float32),)
