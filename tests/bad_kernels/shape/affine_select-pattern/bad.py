"""affine_select: the counts of the pattern multiply to the elements of a partition."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def affine_select_pattern(a):
    tile = nl.load(a)
    result = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.affine_select(dst=result, on_true_tile=tile, on_false_value=0.0, pattern=[[-1, 64]], channel_multiplier=1)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
