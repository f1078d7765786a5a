"""Rows are picked by index in HBM."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def vector_select_on_chip(a, b):
    tile = nl.load(a)
    rows = nl.load(b)
    result = nl.copy(nl.load(a.vector_select(0, rows)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.int32)
