"""nc_stream_shuffle: a destination of three or four quadrants wants a source at 0."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_stream_shuffle_src_of_four_quadrants(a):
    tile = nl.load(a)
    result = nl.ndarray((128, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=result, value=0.0)
    source = tile[0:96]
    nisa.nc_stream_shuffle(dst=result[0:96], src=source, shuffle_mask=[0] * 32)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((128, 32), np.float32),)
