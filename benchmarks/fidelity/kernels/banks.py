"""The bfloat16 product 2048 x 2048 x 2048 on trn2 in the three forms that awslabs/nki-autotune times.

Two keep both operands in SBUF and clear, fill and copy an accumulator of four banks for every row tile: alone, so that
the Tensor Engine waits for the copy, or in two sets in turn. The third blocks all dimensions and adds up in SBUF.
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


@kernel(target="trn2")
def product_in_banks(lhs_t, rhs, sets):
    """lhs_t [K, M].T @ rhs [K, N <= 2048] and 1 or 2 `sets` of banks; of 2, one fills while the other is copied."""
    K, M = lhs_t.shape
    N = rhs.shape[1]
    out = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    left, right, finished = [], [], []
    for k in nl.affine_range(0, K, LANES):
        left.append(load_tile(lhs_t[k : k + LANES]))
    for k in nl.affine_range(0, K, LANES):
        right.append(load_tile(rhs[k : k + LANES]))
    accumulators = nl.ndarray((LANES, sets, N), dtype=nl.float32, buffer=nl.psum)
    late = sets - 1
    for step in nl.affine_range(M // LANES + late):
        if step < M // LANES:
            here = accumulators[:, step % sets, :]
            nisa.memset(dst=here, value=0.0, engine=nisa.engine.vector)
            for k in nl.affine_range(K // LANES):
                column = left[k][:, step * LANES : (step + 1) * LANES]
                for n in nl.affine_range(0, N, BANK):
                    nisa.nc_matmul(dst=here[:, n : n + BANK], stationary=column, moving=right[k][:, n : n + BANK])
        if step >= late:
            row = nl.ndarray((LANES, N), dtype=lhs_t.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=row, src=accumulators[:, (step - late) % sets, :], engine=nisa.engine.vector)
            finished.append(row)
    for index in nl.affine_range(len(finished)):
        nisa.dma_copy(dst=out[index * LANES : (index + 1) * LANES], src=finished[index])
    return out


@kernel(target="trn2")
def product_in_blocks(lhs_t, rhs):
    """lhs_t [K, M].T @ rhs [K, N] in blocks of 512 x 512 over 1024 of K; Vector copies each bank and adds it up.

    The measured kernel also clears each bank before it; its time has no room for that.
    """
    K, M = lhs_t.shape
    N = rhs.shape[1]
    depth, block = 1024, 512
    out = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for n in nl.affine_range(0, N, BANK):
        sums = []
        for _ in nl.affine_range(0, M, LANES):
            total = nl.ndarray((LANES, BANK), dtype=lhs_t.dtype, buffer=nl.sbuf)
            nisa.memset(dst=total, value=0.0)
            sums.append(total)
        for start in nl.affine_range(0, K, depth):
            right = []
            for k in nl.affine_range(start, start + depth, LANES):
                right.append(load_tile(rhs[k : k + LANES, n : n + BANK]))
            for m in nl.affine_range(0, M, block):
                left = []
                for k in nl.affine_range(start, start + depth, LANES):
                    left.append(load_tile(lhs_t[k : k + LANES, m : m + block]))
                for part in nl.affine_range(0, block, LANES):
                    bank = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum)
                    for k in nl.affine_range(depth // LANES):
                        nisa.nc_matmul(dst=bank, stationary=left[k][:, part : part + LANES], moving=right[k])
                    copied = nl.ndarray((LANES, BANK), dtype=lhs_t.dtype, buffer=nl.sbuf)
                    nisa.tensor_copy(dst=copied, src=bank, engine=nisa.engine.vector)
                    total = sums[(m + part) // LANES]
                    nisa.tensor_tensor(dst=total, data1=total, data2=copied, op=nl.add)
        for index in nl.affine_range(len(sums)):
            nisa.dma_copy(dst=out[index * LANES : (index + 1) * LANES, n : n + BANK], src=sums[index])
    return out
