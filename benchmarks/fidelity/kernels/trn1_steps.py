"""The bfloat16 product 4096 x 8192 x 8192 in the steps of two published ladders; the code is ours.

`grouped_product`: the six rungs of ucb-bar/autocomp's trn-tutorial. Each holds the sums of `rows` x `columns` tiles in
PSUM over all of K; they differ in how many tiles those are and in how many of them one transfer loads.
`strip_product`: steps 3 and 4 of the older matrix_multiplication.rst. Strips of all K are loaded tile by tile before
the products that use them.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.fidelity.kernels.trn1_tiles import BANK, LANES, load_tile
from nki_sim import kernel


def load_tiles(source, count, width):
    """`count` tiles of `width` columns side by side in HBM, as one transfer."""
    wide = nl.ndarray((LANES, count * width), dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=wide, src=source)
    tiles = []
    for index in nl.affine_range(count):
        tiles.append(wide[:, index * width : (index + 1) * width])
    return tiles


def store_bank(out, bank, row, column):
    """Write a bank to out[row.., column..] through SBUF."""
    done = nl.ndarray((LANES, BANK), dtype=out.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=done, src=bank, engine=nisa.engine.vector)
    nisa.dma_copy(dst=out[row : row + LANES, column : column + BANK], src=done)


@kernel(target="trn1")
def grouped_product(lhs_t, rhs, rows, columns, left_fused, right_fused):
    """lhs_t [K, M].T @ rhs [K, N] in groups of rows x columns tiles of 128 x 512.

    left_fused     tiles of lhs_t that one load brings; divides rows
    right_fused    tiles of rhs that one load brings; divides columns
    """
    K, M = lhs_t.shape
    N = rhs.shape[1]
    out = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, rows * LANES):
        for n in nl.affine_range(0, N, columns * BANK):
            banks = []
            for _ in nl.affine_range(rows * columns):
                banks.append(nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum))
            for k in nl.affine_range(0, K, LANES):
                here = slice(k, k + LANES)
                right = []
                for first in nl.affine_range(0, columns, right_fused):
                    start = n + first * BANK
                    right += load_tiles(rhs[here, start : start + right_fused * BANK], right_fused, BANK)
                for first in nl.affine_range(0, rows, left_fused):
                    start = m + first * LANES
                    left = load_tiles(lhs_t[here, start : start + left_fused * LANES], left_fused, LANES)
                    for row in nl.affine_range(left_fused):
                        for column in nl.affine_range(columns):
                            bank = banks[(first + row) * columns + column]
                            nisa.nc_matmul(dst=bank, stationary=left[row], moving=right[column])
            for index in nl.affine_range(rows * columns):
                store_bank(out, banks[index], m + index // columns * LANES, n + index % columns * BANK)
    return out


def load_strip(matrix, start, width):
    """Columns start to start + width of [K, ...], as K / 128 tiles."""
    tiles = []
    for k in nl.affine_range(0, matrix.shape[0], LANES):
        tiles.append(load_tile(matrix[k : k + LANES, start : start + width]))
    return tiles


@kernel(target="trn1")
def strip_product(lhs_t, rhs, rows, columns):
    """lhs_t [K, M].T @ rhs [K, N]: left strips of `rows` tiles once, right strips of `columns` for each."""
    M = lhs_t.shape[1]
    N = rhs.shape[1]
    out = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, rows * LANES):
        left = []
        for row in nl.affine_range(m, m + rows * LANES, LANES):
            left.append(load_strip(lhs_t, row, LANES))
        for n in nl.affine_range(0, N, columns * BANK):
            right = []
            for column in nl.affine_range(n, n + columns * BANK, BANK):
                right.append(load_strip(rhs, column, BANK))
            for row in nl.affine_range(rows):
                for column in nl.affine_range(columns):
                    bank = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum)
                    for k in nl.affine_range(len(left[row])):
                        nisa.nc_matmul(dst=bank, stationary=left[row][k], moving=right[column][k])
                    store_bank(out, bank, m + row * LANES, n + column * BANK)
    return out
