"""Matrix products in float32 of the shapes in NKIBench (zhang677/AccelOpt): plain, batched, and after a normalisation.

Where the left operand comes row by row it is transposed on the Tensor Engine, as there. Scalar copies what leaves PSUM:
the published active time of Vector is nil in the three plain products. Blocks and loads follow the
measured kernels; the code is ours.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.fidelity.kernels.trn1_tiles import BANK, LANES, load_tile
from nki_sim import kernel


def transpose_into(target, tile):
    """Write the transpose of [128, n <= 128] to `target` [n, 128] by way of PSUM."""
    bank = nl.ndarray((tile.shape[1], tile.shape[0]), dtype=tile.dtype, buffer=nl.psum)
    nisa.nc_transpose(dst=bank, data=tile, engine=nisa.engine.tensor)
    nisa.activation(dst=target, op=nl.copy, data=bank)


def product_row(columns, weights, out, width):
    """out [128, width] = sum over k of columns[k].T @ weights[k]; Scalar copies the banks, the row is stored."""
    row = nl.ndarray((LANES, width), dtype=nl.float32, buffer=nl.sbuf)
    for start in nl.affine_range(0, width, BANK):
        end = min(start + BANK, width)
        bank = nl.ndarray((LANES, end - start), dtype=nl.float32, buffer=nl.psum)
        for k in nl.affine_range(len(columns)):
            nisa.nc_matmul(dst=bank, stationary=columns[k], moving=weights[k][:, start:end])
        nisa.activation(dst=row[:, start:end], op=nl.copy, data=bank)
    nisa.dma_copy(dst=out, src=row)


@kernel(target="trn1")
def product_of_columns(lhs_t, rhs):
    """lhs_t [K, M].T @ rhs [K, N] in blocks of 1024 x 1024 over all of K."""
    K, M = lhs_t.shape
    N = rhs.shape[1]
    block = 1024
    out = nl.ndarray((M, N), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, block):
        left = []
        for k in nl.affine_range(0, K, LANES):
            left.append(load_tile(lhs_t[k : k + LANES, m : m + block]))
        for n in nl.affine_range(0, N, block):
            width = min(block, N - n)
            right = []
            for k in nl.affine_range(0, K, LANES):
                right.append(load_tile(rhs[k : k + LANES, n : n + width]))
            for part in nl.affine_range(0, block, LANES):
                columns = []
                for tile in left:
                    columns.append(tile[:, part : part + LANES])
                product_row(columns, right, out[m + part : m + part + LANES, n : n + width], width)
    return out


@kernel(target="trn1")
def product_of_rows(lhs, rhs):
    """lhs [M, K] @ rhs [K, N]: for every 1024 columns each row tile is transposed again and meets rhs loaded again."""
    M, K = lhs.shape
    N = rhs.shape[1]
    block = 1024
    out = nl.ndarray((M, N), dtype=lhs.dtype, buffer=nl.shared_hbm)
    for n in nl.affine_range(0, N, block):
        for m in nl.affine_range(0, M, LANES):
            columns = []
            for start in nl.affine_range(0, K, block):
                rows = load_tile(lhs[m : m + LANES, start : start + block])
                for part in nl.affine_range(0, block, LANES):
                    turned = nl.ndarray((LANES, LANES), dtype=lhs.dtype, buffer=nl.sbuf)
                    transpose_into(turned, rows[:, part : part + LANES])
                    columns.append(turned)
            banks = []
            for _ in nl.affine_range(0, block, BANK):
                banks.append(nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum))
            for k in nl.affine_range(len(columns)):
                right = load_tile(rhs[k * LANES : (k + 1) * LANES, n : n + block])
                for index in nl.affine_range(len(banks)):
                    here = right[:, index * BANK : (index + 1) * BANK]
                    nisa.nc_matmul(dst=banks[index], stationary=columns[k], moving=here)
            row = nl.ndarray((LANES, block), dtype=nl.float32, buffer=nl.sbuf)
            for index in nl.affine_range(len(banks)):
                here = row[:, index * BANK : (index + 1) * BANK]
                nisa.activation(dst=here, op=nl.copy, data=banks[index])
            nisa.dma_copy(dst=out[m : m + LANES, n : n + block], src=row)
    return out


@kernel(target="trn1")
def batched_product(lhs, rhs):
    """lhs [B, M, 64] @ rhs [B, 64, N]: one product per bank, no accumulation."""
    B, M, K = lhs.shape
    N = rhs.shape[2]
    block = 1024
    out = nl.ndarray((B, M, N), dtype=lhs.dtype, buffer=nl.shared_hbm)
    for b in nl.affine_range(B):
        for n in nl.affine_range(0, N, block):
            right = load_tile(rhs[b, :, n : n + block])
            for start in nl.affine_range(0, M, block):
                turned = nl.ndarray((K, block), dtype=lhs.dtype, buffer=nl.sbuf)
                for part in nl.affine_range(0, block, LANES):
                    rows = load_tile(lhs[b, start + part : start + part + LANES, :])
                    transpose_into(turned[:, part : part + LANES], rows)
                for part in nl.affine_range(0, block, LANES):
                    here = out[b, start + part : start + part + LANES, n : n + block]
                    product_row([turned[:, part : part + LANES]], [right], here, block)
    return out


def inverse_rms(rows, zero):
    """1 / sqrt(mean of squares) of each row of [128, K], as [128, 1]; squares in two halves as the bank is wide."""
    width = rows.shape[1]
    halves = nl.ndarray((LANES, width // BANK), dtype=nl.float32, buffer=nl.sbuf)
    for part in nl.affine_range(width // BANK):
        squares = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=squares, op=nl.square, data=rows[:, part * BANK : (part + 1) * BANK], bias=zero)
        scaled = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=scaled, data=squares, op0=nl.multiply, operand0=1.0 / width)
        nisa.tensor_reduce(dst=halves[:, part : part + 1], data=scaled, op=nl.add, axis=1)
    mean = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=mean, data=halves, op=nl.add, axis=1)
    inverse = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=inverse, op=nl.rsqrt, data=mean, bias=zero)
    return inverse


@kernel(target="trn1")
def rms_norm_product(x, weights):
    """rms_norm(x [M, K]) @ weights [K, N]: blocks of 8 row tiles; the weights are loaded once per block, x twice."""
    M, K = x.shape
    N = weights.shape[1]
    block = 1024
    out = nl.ndarray((M, N), dtype=x.dtype, buffer=nl.shared_hbm)
    zero = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=zero, value=0.0)
    for start in nl.affine_range(0, M, block):
        normed = []
        for part in nl.affine_range(0, block, LANES):
            inverse = inverse_rms(load_tile(x[start + part : start + part + LANES]), zero)
            rows = load_tile(x[start + part : start + part + LANES])
            columns = []
            for half in nl.affine_range(0, K, BANK):
                scaled = nl.ndarray((LANES, BANK), dtype=x.dtype, buffer=nl.sbuf)
                nisa.tensor_scalar(dst=scaled, data=rows[:, half : half + BANK], op0=nl.multiply, operand0=inverse)
                for piece in nl.affine_range(0, BANK, LANES):
                    turned = nl.ndarray((LANES, LANES), dtype=x.dtype, buffer=nl.sbuf)
                    transpose_into(turned, scaled[:, piece : piece + LANES])
                    columns.append(turned)
            normed.append(columns)
        for n in nl.affine_range(0, N, block):
            right = []
            for k in nl.affine_range(0, K, LANES):
                right.append(load_tile(weights[k : k + LANES, n : n + block]))
            for index in nl.affine_range(len(normed)):
                row = start + index * LANES
                product_row(normed[index], right, out[row : row + LANES, n : n + block], block)
    return out


@kernel(target="trn1")
def add_rms_norm_product(x, z, gain, weights):
    """(rms_norm(x + z) * gain) @ weights; weights stay in SBUF, as the measured traffic says they did."""
    M, K = x.shape
    N = weights.shape[1]
    out = nl.ndarray((M, N), dtype=x.dtype, buffer=nl.shared_hbm)
    zero = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=zero, value=0.0)
    gains = nl.ndarray((LANES, K), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=gains, src=gain.broadcast(0, LANES))
    right = []
    for k in nl.affine_range(0, K, LANES):
        right.append(load_tile(weights[k : k + LANES, :]))
    for m in nl.affine_range(0, M, LANES):
        rows, others = load_tile(x[m : m + LANES]), load_tile(z[m : m + LANES])
        both = nl.ndarray((LANES, K), dtype=x.dtype, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=both, data1=rows, data2=others, op=nl.add)
        squares = nl.ndarray((LANES, K), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=squares, op=nl.square, data=both, bias=zero)
        total = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=total, data=squares, op=nl.add, axis=1)
        mean = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=mean, data=total, op0=nl.multiply, operand0=1.0 / K, op1=nl.add, operand1=1e-6)
        inverse = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=inverse, op=nl.rsqrt, data=mean, bias=zero)
        scaled = nl.ndarray((LANES, K), dtype=x.dtype, buffer=nl.sbuf)
        nisa.activation(dst=scaled, op=nl.copy, data=both, scale=inverse)
        weighted = nl.ndarray((LANES, K), dtype=x.dtype, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=weighted, data1=scaled, data2=gains, op=nl.multiply)
        columns = []
        for k in nl.affine_range(0, K, LANES):
            turned = nl.ndarray((LANES, LANES), dtype=x.dtype, buffer=nl.sbuf)
            transpose_into(turned, weighted[:, k : k + LANES])
            columns.append(turned)
        product_row(columns, right, out[m : m + LANES, :], N)
    return out
