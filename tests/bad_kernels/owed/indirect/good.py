"""Indirection inside operands is owed."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def indirect(a, b):
    tile = nl.load(a)
    rows = nl.load(b)
    chosen = nl.copy(tile[0:16])
    out = nl.ndarray(chosen.shape, dtype=chosen.dtype, buffer=nl.shared_hbm)
    nl.store(out, chosen)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.uint16)
