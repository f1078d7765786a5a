"""Bytes that are not neighbours make no wider element."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def view_gaps(a):
    tile = nl.load(a)
    result = nl.copy(tile[:, 0:32:2].view(nl.int32))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.int16),)
