"""Element-wise kernels of NKIBench on trn1 with many operators: AdamW, and rotary embedding in two forms."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.fidelity.kernels.trn1_tiles import BANK, LANES, activated, combined, filled, load_tile
from nki_sim import kernel


def scaled(tiles, factor, buffer=nl.sbuf):
    """New tiles: each times a constant, on Scalar."""
    results = []
    for tile in tiles:
        result = nl.ndarray(tile.shape, dtype=nl.float32, buffer=buffer)
        nisa.tensor_scalar(dst=result, data=tile, op0=nl.multiply, operand0=factor, engine=nisa.engine.scalar)
        results.append(result)
    return results


def pairwise(ones, others, op):
    """`combined` for the tiles of two lists in turn."""
    results = []
    for index in nl.affine_range(len(ones)):
        results.append(combined(ones[index], others[index], op))
    return results


def halves(tile):
    """Two banks' worth of columns each."""
    return [tile[:, :BANK], tile[:, BANK : 2 * BANK]]


@kernel(target="trn1")
def adamw(theta, gradient, momentum, variance):
    """One AdamW step for [M, N]: decay 1e-5, betas 0.9 and 0.999 at the first step, rate 0.001.

    Transfers of 1024 columns, work on the two halves in turn. Products with a constant, root and reciprocal are
    Scalar's: the published active times leave Vector no room for them. Three of them per half lie in PSUM, where Vector
    reads them at its full rate: the published 2,113,536 bytes per partition written there are 344 halves x 3 banks.
    """
    M, N = theta.shape
    width = 1024
    out = nl.ndarray((M, N), dtype=theta.dtype, buffer=nl.shared_hbm)
    zero = filled(1)
    for m in nl.affine_range(0, M, LANES):
        rows = slice(m, min(m + LANES, M))
        lanes = min(LANES, M - m)
        for n in nl.affine_range(0, N, width):
            wide = slice(n, n + width)
            old, averages = halves(load_tile(theta[rows, wide])), halves(load_tile(momentum[rows, wide]))
            squares, slopes = halves(load_tile(variance[rows, wide])), halves(load_tile(gradient[rows, wide]))
            kept = pairwise(old, scaled(old, 1e-5, nl.psum), nl.subtract)
            first = pairwise(scaled(averages, 0.9), scaled(slopes, 0.1, nl.psum), nl.add)
            second = pairwise(scaled(slopes, 0.001), slopes, nl.multiply)
            second = pairwise(second, scaled(squares, 0.999, nl.psum), nl.add)
            push = scaled(first, 0.01)
            roots = []
            for tile in second:
                roots.append(activated(tile, nl.sqrt, bias=zero[:lanes], scale=1000.0))
            shares = []
            for tile in roots:
                more = nl.ndarray(tile.shape, dtype=nl.float32, buffer=nl.sbuf)
                nisa.tensor_scalar(dst=more, data=tile, op0=nl.add, operand0=1e-8, engine=nisa.engine.scalar)
                shares.append(activated(more, nl.reciprocal))
            steps = pairwise(push, shares, nl.multiply)
            result = nl.ndarray((lanes, width), dtype=theta.dtype, buffer=nl.sbuf)
            for index in nl.affine_range(len(steps)):
                here = result[:, index * BANK : (index + 1) * BANK]
                nisa.tensor_tensor(dst=here, data1=kept[index], data2=steps[index], op=nl.subtract)
            nisa.dma_copy(dst=out[rows, wide], src=result)
    return out


@kernel(target="trn1")
def rope(x, cos, sin):
    """Rotary embedding of [128, S] by halves of the partitions, 512 columns at a time; cos and sin are [64, S]."""
    lanes, S = x.shape
    half = lanes // 2
    out = nl.ndarray((lanes, S), dtype=x.dtype, buffer=nl.shared_hbm)
    for start in nl.affine_range(0, S, BANK):
        wide = slice(start, start + BANK)
        both = load_tile(x[:, wide])
        cosine, sine = load_tile(cos[:, wide]), load_tile(sin[:, wide])
        low = both[:half]
        high = activated(both[half:], nl.copy)
        result = nl.ndarray((lanes, BANK), dtype=x.dtype, buffer=nl.sbuf)
        low_cosine, high_cosine = combined(low, cosine, nl.multiply), combined(high, cosine, nl.multiply)
        low_sine, high_sine = combined(low, sine, nl.multiply), combined(high, sine, nl.multiply)
        nisa.tensor_tensor(dst=result[:half], data1=low_cosine, data2=high_sine, op=nl.subtract)
        nisa.tensor_tensor(dst=result[half:], data1=high_cosine, data2=low_sine, op=nl.add)
        nisa.dma_copy(dst=out[:, wide], src=result)
    return out


@kernel(target="trn1")
def rope_wide(x, cos, sin):
    """The same 2048 columns at a time; both halves are loaded to the first 64 partitions and stored from there."""
    lanes, S = x.shape
    half = lanes // 2
    width = 2048
    out = nl.ndarray((lanes, S), dtype=x.dtype, buffer=nl.shared_hbm)
    for start in nl.affine_range(0, S, width):
        wide = slice(start, start + width)
        low, high = load_tile(x[:half, wide]), load_tile(x[half:, wide])
        cosine, sine = load_tile(cos[:, wide]), load_tile(sin[:, wide])
        low_cosine, high_sine = combined(low, cosine, nl.multiply), combined(high, sine, nl.multiply)
        low_sine, high_cosine = combined(low, sine, nl.multiply), combined(high, cosine, nl.multiply)
        nisa.dma_copy(dst=out[:half, wide], src=combined(low_cosine, high_sine, nl.subtract))
        nisa.dma_copy(dst=out[half:, wide], src=combined(high_cosine, low_sine, nl.add))
    return out
