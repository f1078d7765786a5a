"""Zeros before the first matmul are not needed: a warning up to gen3."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def adds_to_zeros(a):
    stationary = nl.load(a)
    moving = nl.load(a)
    acc = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.psum)

    nisa.memset(dst=acc, value=0.0)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving, accumulate=True)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return (np.ones((64, 32), np.float32),)
