"""nc_transpose: the Tensor engine transposes up to 128 x 128."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_transpose_columns(a):
    tile = nl.load(a)
    turned = nl.ndarray((128, 128), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_transpose(dst=turned, data=tile[:, 0:128])
    out = nl.ndarray(turned.shape, dtype=turned.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(turned))
    return out


def example():
    return (np.ones((128, 256), np.float32),)
