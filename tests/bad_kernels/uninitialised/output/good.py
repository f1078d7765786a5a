"""Undefined bytes do not reach the caller."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def output(a):
    tile = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile[:, 0:32], src=a[:, 0:32])
    doubled = nl.multiply(tile, 2.0)
    out = nl.ndarray(doubled.shape, dtype=doubled.dtype, buffer=nl.shared_hbm)
    nl.store(out, doubled)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
