"""gelu(x @ w + bias) in one kernel or two, the MLP of allenkchau/trainium-kernel-fusion on trn2.

Operands are loaded once: the measured times leave no room for the loads per tile that the source writes down.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128
BANK = 512


def load_tile(source):
    """A new SBUF tile with the contents of `source`."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def sum_with_bias(left, right, shifts, ones, m, n):
    """One tile of x_t.T @ w + bias in SBUF; a product with a row of ones copies the bias to all partitions."""
    bank = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum)
    for k in nl.affine_range(len(left)):
        nisa.nc_matmul(dst=bank, stationary=left[k][:, m : m + LANES], moving=right[k][:, n : n + BANK])
    result = nl.ndarray((LANES, BANK), dtype=left[0].dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=bank, engine=nisa.engine.vector)
    replicated = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=replicated, stationary=ones, moving=shifts[:, n : n + BANK])
    nisa.tensor_tensor(dst=result, data1=result, data2=replicated, op=nl.add)
    return result


def curved(tile):
    result = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.sbuf)
    nisa.activation(dst=result, op=nl.gelu, data=tile)
    return result


@kernel(target="trn2")
def gelu_product(x_t, w, bias, together):
    """x_t [K, M], w [K, N], bias [1, N]; with `together` false the sums go through HBM before gelu."""
    M, N = x_t.shape[1], w.shape[1]
    out = nl.ndarray((M, N), dtype=x_t.dtype, buffer=nl.shared_hbm)
    sums = nl.ndarray((M, N), dtype=x_t.dtype, buffer=nl.hbm)
    ones = nl.ndarray((1, LANES), dtype=x_t.dtype, buffer=nl.sbuf)
    nisa.memset(dst=ones, value=1.0)
    shifts = load_tile(bias)
    left, right = [], []
    for k in nl.affine_range(0, x_t.shape[0], LANES):
        left.append(load_tile(x_t[k : k + LANES]))
        right.append(load_tile(w[k : k + LANES]))
    for m in nl.affine_range(0, M, LANES):
        for n in nl.affine_range(0, N, BANK):
            tile = sum_with_bias(left, right, shifts, ones, m, n)
            here = (slice(m, m + LANES), slice(n, n + BANK))
            nisa.dma_copy(dst=(out if together else sums)[here], src=curved(tile) if together else tile)
    if not together:
        for m in nl.affine_range(0, M, LANES):
            for n in nl.affine_range(0, N, BANK):
                here = (slice(m, m + LANES), slice(n, n + BANK))
                nisa.dma_copy(dst=out[here], src=curved(load_tile(sums[here])))
    return out
