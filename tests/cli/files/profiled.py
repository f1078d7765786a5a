"""Kernels for the tests of profile, compare and explain: a product that reloads its tiles, and a better one."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example

SIZE = 512


def load(source):
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


@kernel
def reloading(lhs_t, rhs):
    """lhs_t [K, M], rhs [K, N]: every product loads its own tiles."""
    depth, rows = lhs_t.shape
    columns = rhs.shape[1]
    result = nl.ndarray((rows, columns), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for row in range(0, rows, 128):
        total = nl.ndarray((128, columns), dtype=nl.float32, buffer=nl.psum)
        for k in range(0, depth, 128):
            left = load(lhs_t[k : k + 128, row : row + 128])
            right = load(rhs[k : k + 128, :])
            nisa.nc_matmul(dst=total, stationary=left, moving=right)
        finished = nl.ndarray((128, columns), dtype=lhs_t.dtype, buffer=nl.sbuf)
        nisa.tensor_copy(dst=finished, src=total)
        nisa.dma_copy(dst=result[row : row + 128, :], src=finished)
    return result


@kernel
def keeping(lhs_t, rhs):
    """The same with the tiles of rhs loaded once."""
    depth, rows = lhs_t.shape
    columns = rhs.shape[1]
    result = nl.ndarray((rows, columns), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    kept = [load(rhs[k : k + 128, :]) for k in range(0, depth, 128)]
    for row in range(0, rows, 128):
        total = nl.ndarray((128, columns), dtype=nl.float32, buffer=nl.psum)
        for k in range(0, depth, 128):
            left = load(lhs_t[k : k + 128, row : row + 128])
            nisa.nc_matmul(dst=total, stationary=left, moving=kept[k // 128])
        finished = nl.ndarray((128, columns), dtype=lhs_t.dtype, buffer=nl.sbuf)
        nisa.tensor_copy(dst=finished, src=total)
        nisa.dma_copy(dst=result[row : row + 128, :], src=finished)
    return result


def inputs(rng):
    return tuple(rng.standard_normal((SIZE, columns), dtype=np.float32) for columns in (SIZE, SIZE))


EXAMPLES = {
    name: Example(inputs=inputs, reference=lambda lhs_t, rhs: lhs_t.T @ rhs) for name in ("reloading", "keeping")
}
