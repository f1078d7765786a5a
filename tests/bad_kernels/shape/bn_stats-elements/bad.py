"""bn_stats: up to 512 elements of a partition at once."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def bn_stats_elements(a):
    tile = nl.load(a)
    stats = nl.ndarray((64, 6), dtype=nl.float32, buffer=nl.sbuf)
    nisa.bn_stats(dst=stats, data=tile)
    out = nl.ndarray(stats.shape, dtype=stats.dtype, buffer=nl.shared_hbm)
    nl.store(out, stats)
    return out


def example():
    return (np.ones((64, 1024), np.float32),)
