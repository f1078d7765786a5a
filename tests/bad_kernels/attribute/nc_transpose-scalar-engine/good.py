"""nc_transpose: the Tensor and the Vector engine transpose."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_transpose_scalar_engine(a):
    tile = nl.load(a)
    turned = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.nc_transpose(dst=turned, data=tile, engine=nisa.engine.vector)
    out = nl.ndarray(turned.shape, dtype=turned.dtype, buffer=nl.shared_hbm)
    nl.store(out, turned)
    return out


def example():
    return (np.ones((32, 32), np.float32),)
