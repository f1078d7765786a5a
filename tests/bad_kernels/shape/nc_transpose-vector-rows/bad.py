"""nc_transpose: the Vector engine transposes up to 32 x 32; here there are too many rows."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_transpose_vector_rows(a):
    tile = nl.load(a)
    turned = nl.ndarray((32, 64), dtype=nl.float32, buffer=nl.sbuf)
    nisa.nc_transpose(dst=turned, data=tile)
    out = nl.ndarray(turned.shape, dtype=turned.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(turned))
    return out


def example():
    return (np.ones((64, 32), np.float32),)
