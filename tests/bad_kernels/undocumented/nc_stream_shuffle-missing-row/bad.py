"""nc_stream_shuffle: the documents do not say what an entry beyond the source gives."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_stream_shuffle_missing_row(a):
    tile = nl.load(a)
    result = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.nc_stream_shuffle(dst=result, src=tile[0:8], shuffle_mask=list(range(32)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((32, 32), np.float32),)
