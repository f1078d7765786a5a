"""A run-time index is an integer."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_index(a, b):
    rows = nl.load(b)
    out = nl.ndarray((1, 32), dtype=a.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.load(a.select(0, rows).reshape((1, 32))))
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((1, 1), np.float32)
