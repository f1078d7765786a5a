"""nc_transpose: a transpose does not cast."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_transpose_cast(a):
    tile = nl.load(a)
    turned = nl.ndarray((64, 128), dtype=nl.bfloat16, buffer=nl.psum)
    nisa.nc_transpose(dst=turned, data=tile)
    out = nl.ndarray(turned.shape, dtype=turned.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(turned))
    return out


def example():
    return (np.ones((128, 64), ml_dtypes.bfloat16),)
