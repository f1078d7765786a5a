"""The inner sizes of a product agree."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def matmul(a, b):
    x = nl.load(a)
    y = nl.load(b)
    product = nl.matmul(x, y)
    out = nl.ndarray(product.shape, dtype=product.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(product))
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((64, 16), np.float32)
