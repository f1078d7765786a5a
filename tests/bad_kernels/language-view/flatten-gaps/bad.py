"""Dimensions with gaps between them do not merge."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def flatten_gaps(a):
    tile = nl.load(a)
    result = nl.copy(tile[:, :, 0:4].flatten_dims(1, 2))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 4, 8), np.float32),)
