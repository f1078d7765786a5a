"""A 3 x 3 convolution as products of shifted rows, written after the description in a published course report."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.fidelity.kernels.trn1_tiles import LANES, load_tile
from nki_sim import kernel

ROWS = 2


def turned_weights(weights):
    """[out, in, taps] as tiles[m][k][tap] of [128 in, 128 out]: loaded once, transposed once on the Tensor Engine."""
    outs, ins, taps = weights.shape
    tiles = []
    for m in nl.affine_range(0, outs, LANES):
        by_input = []
        rows = load_tile(weights[m : m + LANES])
        for k in nl.affine_range(0, ins, LANES):
            by_tap = []
            for tap in nl.affine_range(taps):
                packed = nl.ndarray((LANES, LANES), dtype=weights.dtype, buffer=nl.sbuf)
                nisa.activation(dst=packed, op=nl.copy, data=rows[:, k : k + LANES, tap])
                bank = nl.ndarray((LANES, LANES), dtype=weights.dtype, buffer=nl.psum)
                nisa.nc_transpose(dst=bank, data=packed, engine=nisa.engine.tensor)
                tile = nl.ndarray((LANES, LANES), dtype=weights.dtype, buffer=nl.sbuf)
                nisa.activation(dst=tile, op=nl.copy, data=bank)
                by_tap.append(tile)
            by_input.append(by_tap)
        tiles.append(by_input)
    return tiles


@kernel(target="trn1")
def convolution(x, weights, bias):
    """x [in, H, W], weights [out, in, 9], bias [out, 1] -> [out, H - 2, W - 2]: two rows of the result at a time.

    Scalar packs the shifted rows that a product reads and copies PSUM; Vector adds the bias.
    """
    ins, height, width = x.shape
    outs = weights.shape[0]
    wide = width - 2
    out = nl.ndarray((outs, height - 2, wide), dtype=x.dtype, buffer=nl.shared_hbm)
    tiles = turned_weights(weights)
    offsets = []
    for m in nl.affine_range(0, outs, LANES):
        offsets.append(load_tile(bias[m : m + LANES]))
    for top in nl.affine_range(0, height - 2, ROWS):
        banks = []
        for _ in nl.affine_range(len(tiles)):
            banks.append(nl.ndarray((LANES, ROWS * wide), dtype=nl.float32, buffer=nl.psum))
        for k in nl.affine_range(ins // LANES):
            strip = []
            for row in nl.affine_range(top, top + ROWS + 2):
                strip.append(load_tile(x[k * LANES : (k + 1) * LANES, row, :]))
            for tap in nl.affine_range(9):
                down, right = tap // 3, tap % 3
                packed = nl.ndarray((LANES, ROWS * wide), dtype=x.dtype, buffer=nl.sbuf)
                for row in nl.affine_range(ROWS):
                    here = packed[:, row * wide : (row + 1) * wide]
                    nisa.activation(dst=here, op=nl.copy, data=strip[row + down][:, right : right + wide])
                for m in nl.affine_range(len(tiles)):
                    nisa.nc_matmul(dst=banks[m], stationary=tiles[m][k][tap], moving=packed)
        for m in nl.affine_range(len(tiles)):
            copied = nl.ndarray((LANES, ROWS * wide), dtype=x.dtype, buffer=nl.sbuf)
            nisa.activation(dst=copied, op=nl.copy, data=banks[m])
            for row in nl.affine_range(ROWS):
                done = nl.ndarray((LANES, wide), dtype=x.dtype, buffer=nl.sbuf)
                data = copied[:, row * wide : (row + 1) * wide]
                nisa.tensor_scalar(dst=done, data=data, op0=nl.add, operand0=offsets[m])
                nisa.dma_copy(dst=out[m * LANES : (m + 1) * LANES, top + row, :], src=done)
    return out
