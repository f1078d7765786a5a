"""Matrix multiplication in five steps, from one tile to a blocked kernel that the Tensor Engine bounds.

Teaches: `nc_matmul` contracts over the partition axis, K <= 128, with M <= 128 columns of the stationary operand and
N <= 512 of the moving one, and adds into a PSUM bank (nki.isa, nc_matmul). The left operand therefore comes transposed,
[K, M]. What separates the steps is not arithmetic, which is the same in all of them, but bytes: how often each operand
is read from HBM, and in what size of piece. In brackets the bytes read, in units of the matrices' own sizes:

    matmul_basic         one tile                                                          [1 L, 1 R]
    matmul_tiled         any size; every product loads both its operands                   [N/512 L, M/128 R]
    matmul_hoisted       the left column strip is loaded once for all N                    [1 L, M/128 R], 256-byte rows
    matmul_blocked_free  several tiles of M and N share a load, which gets longer          [N/1024 L, M/256 R]
    matmul_blocked       blocks of K too: sums stay in SBUF, blocks of M and N grow large  [N/1024 L, M/2048 R]
"""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


def load_tile(source):
    """A new SBUF tile with the contents of `source`, a tensor in HBM."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def store_sum(target, sums):
    """Write a PSUM tile to HBM through SBUF, cast to the type of `target`."""
    staged = nl.ndarray(sums.shape, dtype=target.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=staged, src=sums, engine=nisa.engine.vector)
    nisa.dma_copy(dst=target, src=staged)


def split_rows(matrix):
    """A [rows, columns] tensor in HBM seen as [128, rows / 128, columns]: row r is at partition r % 128."""
    rows, columns = matrix.shape
    tiles = rows // nl.tile_size.pmax
    return matrix.reshape((tiles, nl.tile_size.pmax, columns)).permute((1, 0, 2))


@kernel
def matmul_basic(lhs_t, rhs):
    """lhs_t.T @ rhs in one instruction: lhs_t is [K <= 128, M <= 128], rhs is [K, N <= 512]."""
    tile_k, tile_m, tile_n = tile_sizes()
    assert lhs_t.shape[0] <= tile_k, "one tile holds at most 128 partitions"
    assert lhs_t.shape[1] <= tile_m, "the stationary operand has at most 128 columns"
    assert rhs.shape[1] <= tile_n, "the moving operand has at most 512 columns"
    M, N = lhs_t.shape[1], rhs.shape[1]
    product = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    sums = nl.ndarray((M, N), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=sums, stationary=load_tile(lhs_t), moving=load_tile(rhs))
    store_sum(product, sums)
    return product


@kernel
def matmul_tiled(lhs_t, rhs):
    """lhs_t.T @ rhs for any K, M, N (the last tile of each may be partial): both operands loaded for every product."""
    K, M = lhs_t.shape
    N = rhs.shape[1]
    tile_k, tile_m, tile_n = tile_sizes()
    product = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, tile_m):
        m_end = min(m + tile_m, M)
        for n in nl.affine_range(0, N, tile_n):
            n_end = min(n + tile_n, N)
            sums = nl.ndarray((m_end - m, n_end - n), dtype=nl.float32, buffer=nl.psum)
            for k in nl.affine_range(0, K, tile_k):
                k_end = min(k + tile_k, K)
                # The first product of a PSUM tile overwrites it, the later ones add to it.
                nisa.nc_matmul(
                    dst=sums,
                    stationary=load_tile(lhs_t[k:k_end, m:m_end]),
                    moving=load_tile(rhs[k:k_end, n:n_end]),
                )
            store_sum(product[m:m_end, n:n_end], sums)
    return product


@kernel
def matmul_hoisted(lhs_t, rhs):
    """As `matmul_tiled`, with the loads that do not depend on N moved out of the loop over N."""
    K, M = lhs_t.shape
    N = rhs.shape[1]
    tile_k, tile_m, tile_n = tile_sizes()
    product = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, tile_m):
        m_end = min(m + tile_m, M)
        strip = []
        for k in nl.affine_range(0, K, tile_k):
            strip.append(load_tile(lhs_t[k : min(k + tile_k, K), m:m_end]))
        for n in nl.affine_range(0, N, tile_n):
            n_end = min(n + tile_n, N)
            sums = nl.ndarray((m_end - m, n_end - n), dtype=nl.float32, buffer=nl.psum)
            for k in nl.affine_range(0, K, tile_k):
                nisa.nc_matmul(
                    dst=sums,
                    stationary=strip[k // tile_k],
                    moving=load_tile(rhs[k : min(k + tile_k, K), n:n_end]),
                )
            store_sum(product[m:m_end, n:n_end], sums)
    return product


@kernel
def matmul_blocked_free(lhs_t, rhs):
    """lhs_t.T @ rhs in blocks of 2 x 2 tiles; M and K multiples of 128.

    One pass over K serves four products per pair of loads, and each load moves two tiles' worth of bytes in one DMA.
    The sums take four of the eight PSUM banks: the next block may start while these are stored.
    """
    K, M = lhs_t.shape
    N = rhs.shape[1]
    tile_k, tile_m, tile_n = tile_sizes()
    assert K % tile_k == 0 and M % tile_m == 0, "K and M must be multiples of 128; matmul_tiled takes any size"
    product = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, 2 * tile_m):
        m_end = min(m + 2 * tile_m, M)
        for n in nl.affine_range(0, N, 2 * tile_n):
            n_end = min(n + 2 * tile_n, N)
            banks = []
            for m_part in nl.affine_range(0, m_end - m, tile_m):
                for n_part in nl.affine_range(0, n_end - n, tile_n):
                    width = min(tile_n, n_end - n - n_part)
                    sums = nl.ndarray((tile_m, width), dtype=nl.float32, buffer=nl.psum)
                    banks.append((sums, m_part, n_part))
            for k in nl.affine_range(0, K, tile_k):
                left = load_tile(lhs_t[k : k + tile_k, m:m_end])
                right = load_tile(rhs[k : k + tile_k, n:n_end])
                for sums, m_part, n_part in banks:
                    nisa.nc_matmul(
                        dst=sums,
                        stationary=left[:, m_part : m_part + tile_m],
                        moving=right[:, n_part : n_part + sums.shape[1]],
                    )
            for sums, m_part, n_part in banks:
                row, column = m + m_part, n + n_part
                store_sum(product[row : row + tile_m, column : column + sums.shape[1]], sums)
    return product


@kernel
def matmul_blocked(lhs_t, rhs, block_m=2048, block_n=1024, block_k=1024):
    """lhs_t.T @ rhs in blocks of all three dimensions; M and K multiples of 128, blocks of M and K too.

    The sums of a block_m x block_n block live in SBUF in float32, so the block may be far larger than PSUM, and each
    byte of it saves a reload. PSUM sums over one block of K; the Vector Engine adds that to the block while the Tensor
    Engine works on the next tile.
    """
    K, M = lhs_t.shape
    N = rhs.shape[1]
    tile_k, tile_m, tile_n = tile_sizes()
    assert K % tile_k == 0 and M % tile_m == 0, "K and M must be multiples of 128; matmul_tiled takes any size"
    assert block_m % tile_m == 0 and block_k % tile_k == 0, "blocks of M and K must be multiples of 128"
    product = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for n in nl.affine_range(0, N, block_n):
        n_end = min(n + block_n, N)
        for m in nl.affine_range(0, M, block_m):
            m_end = min(m + block_m, M)
            m_tiles = (m_end - m) // tile_m
            totals = nl.ndarray((tile_m, m_tiles, n_end - n), dtype=nl.float32, buffer=nl.sbuf)
            for k in nl.sequential_range(0, K, block_k):
                k_end = min(k + block_k, K)
                # One DMA per operand and block: its rows are 2 to 4 KiB, the size at which DMA reaches its rate.
                left = load_tile(split_rows(lhs_t[k:k_end, m:m_end]))
                right = load_tile(split_rows(rhs[k:k_end, n:n_end]))
                for m_part in nl.affine_range(m_tiles):
                    finished = nl.ndarray((tile_m, n_end - n), dtype=product.dtype, buffer=nl.sbuf)
                    for column in nl.affine_range(0, n_end - n, tile_n):
                        column_end = min(column + tile_n, n_end - n)
                        sums = nl.ndarray((tile_m, column_end - column), dtype=nl.float32, buffer=nl.psum)
                        for k_part in nl.affine_range((k_end - k) // tile_k):
                            nisa.nc_matmul(
                                dst=sums,
                                stationary=left[:, k_part, m_part * tile_m : (m_part + 1) * tile_m],
                                moving=right[:, k_part, column:column_end],
                            )
                        total = totals[:, m_part, column:column_end]
                        # The last block of K writes the result's own type, ready to be stored.
                        target = finished[:, column:column_end] if k_end == K else total
                        if k == 0:
                            nisa.tensor_copy(dst=target, src=sums, engine=nisa.engine.vector)
                        else:
                            nisa.tensor_tensor(dst=target, data1=total, data2=sums, op=nl.add)
                    if k_end == K:
                        row = m + m_part * tile_m
                        nisa.dma_copy(dst=product[row : row + tile_m, n:n_end], src=finished)
    return product


def tile_sizes():
    """(K, M, N) of the largest product one nc_matmul computes."""
    return nl.tile_size.pmax, nl.tile_size.gemm_stationary_fmax, nl.tile_size.gemm_moving_fmax


def reference(lhs_t, rhs, *blocks):
    return lhs_t.T @ rhs


def _inputs(K, M, N):
    def draw(rng):
        return (
            rng.standard_normal((K, M), dtype=np.float32).astype(ml_dtypes.bfloat16),
            rng.standard_normal((K, N), dtype=np.float32).astype(ml_dtypes.bfloat16),
        )

    return draw


EXAMPLES = {
    "matmul_basic": Example(inputs=_inputs(128, 64, 512), reference=reference),
    "matmul_tiled": Example(inputs=_inputs(2048, 1024, 2048), reference=reference),
    "matmul_hoisted": Example(inputs=_inputs(2048, 1024, 2048), reference=reference),
    "matmul_blocked_free": Example(inputs=_inputs(2048, 1024, 2048), reference=reference),
    "matmul_blocked": Example(inputs=_inputs(2048, 1024, 2048), reference=reference),
}
