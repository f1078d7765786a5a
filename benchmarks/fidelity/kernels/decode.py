"""A gated MLP for a few tokens, which the weights' bandwidth bounds: down(silu(x @ gate) * (x @ up)).

The algorithm, tiles and loads of nki-library's mlp_tkg with column tiling, on one core: the tokens are the weights of
the array and the matrices stream past; four products at a time share the array, on 32 columns each. A partition takes
consecutive rows of gate and up, so that what it loads is one long piece. What is loaded goes round in one place that
all three matrices use, each beginning where the one before ended, so that loads run ahead as far as there is room.

Where the library adds the residual in a DMA from HBM to HBM and then loads the sum, Vector adds it here and the sum is
stored and loaded again.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.fidelity.kernels.mlp_norms import layer_normed, rms_normed
from nki_sim import kernel

LANES = 128
BANK = 512
SIDE_BY_SIDE = 4
COLUMNS = 32
"""Columns of the array that one of the products side by side has, and so the most tokens."""
SPACE_BYTES = 200 * 1024
"""Of SBUF, which the library allots to the whole kernel; weights get what the rest does not need."""


def banks_of(width):
    """PSUM banks that hold `width` columns."""
    banks = []
    for start in nl.affine_range(0, width, BANK):
        banks.append(nl.ndarray((LANES, min(BANK, width - start)), dtype=nl.float32, buffer=nl.psum))
    return banks


def product_beside(bank, place, stationary, moving):
    """Add a product to the partitions of `bank` that belong to the place-th part of the array."""
    first = COLUMNS * place
    nisa.nc_matmul(
        dst=bank[first : first + stationary.shape[1], 0 : moving.shape[1]],
        stationary=stationary,
        moving=moving,
        tile_position=(0, first),
        tile_size=(LANES, COLUMNS),
    )


def slots_in(place, first_byte, shape, dtype):
    """As many tiles of `shape` [partitions, ...] as `place` holds from `first_byte` on, one behind the other."""
    each = dtype.itemsize
    for size in shape[1:]:
        each *= size
    slots = []
    for start in nl.affine_range(first_byte, place.shape[1] - each + 1, each):
        slots.append(place[:, start : start + each].view(dtype).reshape(shape))
    return slots


def projected(hidden, weights, slots, first_slot, scales):
    """hidden [128, T, n] times weights [128 * n, I], loaded slot by slot [128, rows, I]; [T, I] float32 in SBUF."""
    _, tokens, length = hidden.shape
    rows, inner = slots[0].shape[1:]
    folded = weights.reshape((LANES, length, inner))
    banks = banks_of(inner)
    for start in nl.affine_range(0, length, rows):
        count = min(rows, length - start)
        tile = slots[(first_slot + start // rows) % len(slots)]
        source = folded[:, start : start + count, :]
        nisa.dma_copy(dst=tile[:, 0:count, :], src=source, dge_mode=nisa.dge_mode.none)
        for index in nl.affine_range(count):
            for part in nl.affine_range(len(banks)):
                width = banks[part].shape[1]
                product_beside(
                    banks[part],
                    index % SIDE_BY_SIDE,
                    hidden[:, :, start + index],
                    tile[:, index, part * BANK : part * BANK + width],
                )
    total = nl.ndarray((tokens, inner), dtype=nl.float32, buffer=nl.sbuf)
    for part in nl.affine_range(len(banks)):
        here = total[:, part * BANK : part * BANK + banks[part].shape[1]]
        nisa.activation(dst=here, op=nl.copy, data=banks[part][0:tokens, :])
        for place in nl.affine_range(1, min(SIDE_BY_SIDE, length)):
            first = COLUMNS * place
            nisa.tensor_tensor(dst=here, data1=banks[part][first : first + tokens, :], data2=here, op=nl.add)
    if scales is not None:
        factors = nl.ndarray((tokens, inner), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=factors, src=scales[0:tokens, :], dge_mode=nisa.dge_mode.none)
        nisa.tensor_tensor(dst=total, data1=total, data2=factors, op=nl.multiply)
    return total


def turned(gated, dtype):
    """[T, I] as [128, tiles of I, T], for the second product; the last tile may be partial."""
    tokens, inner = gated.shape
    result = nl.ndarray((LANES, -(-inner // LANES), tokens), dtype=dtype, buffer=nl.sbuf)
    for start in nl.affine_range(0, inner, LANES):
        some = min(LANES, inner - start)
        bank = nl.ndarray((some, tokens), dtype=gated.dtype, buffer=nl.psum)
        nisa.nc_transpose(dst=bank, data=gated[:, start : start + some], engine=nisa.engine.tensor)
        nisa.tensor_copy(dst=result[0:some, start // LANES, :], src=bank)
    return result


def lowered(hidden, weights, slots, turn, row, scales):
    """row [T, H] = hidden [128, tiles, T] times weights [I, H], loaded slot by slot [128, columns] from `turn` on."""
    tokens = hidden.shape[2]
    inner, width = weights.shape
    piece = slots[0].shape[1]
    for start in nl.affine_range(0, width, piece):
        some = min(piece, width - start)
        chunks = -(-some // BANK)
        banks = banks_of(-(-chunks // SIDE_BY_SIDE) * BANK)
        for first in nl.affine_range(0, inner, LANES):
            height = min(LANES, inner - first)
            tile = slots[turn % len(slots)][0:height, 0:some]
            turn += 1
            here = weights[first : first + height, start : start + some]
            nisa.dma_copy(dst=tile, src=here, dge_mode=nisa.dge_mode.none)
            for chunk in nl.affine_range(chunks):
                columns = tile[:, chunk * BANK : min((chunk + 1) * BANK, some)]
                stationary = hidden[0:height, first // LANES, :]
                product_beside(banks[chunk // SIDE_BY_SIDE], chunk % SIDE_BY_SIDE, stationary, columns)
        for chunk in nl.affine_range(chunks):
            place = chunk % SIDE_BY_SIDE
            begin, end = start + chunk * BANK, start + min((chunk + 1) * BANK, some)
            source = banks[chunk // SIDE_BY_SIDE][COLUMNS * place : COLUMNS * place + tokens, 0 : end - begin]
            if scales is not None:
                nisa.tensor_tensor(dst=row[:, begin:end], data1=source, data2=scales[:, begin:end], op=nl.multiply)
            elif place % 2 == 0:
                nisa.activation(dst=row[:, begin:end], op=nl.copy, data=source)
            else:
                nisa.tensor_copy(dst=row[:, begin:end], src=source, engine=nisa.engine.vector)


def across_partitions(x):
    """x [T, H] as [128, T, H / 128] in SBUF, consecutive elements on one partition."""
    tokens, width = x.shape
    tile = nl.ndarray((LANES, tokens, width // LANES), dtype=x.dtype, buffer=nl.sbuf)
    source = x.reshape((tokens, LANES, width // LANES)).permute((1, 0, 2))
    nisa.dma_copy(dst=tile, src=source, dge_mode=nisa.dge_mode.none)
    return tile


def multiplied(hidden, gate, up, down, rows, piece, room, scales):
    """down(silu(hidden @ gate) * (hidden @ up)) as [T, H] in SBUF; gate and up come `rows` of a partition at a time.

    down comes `piece` columns of 128 rows at a time. `room` is the bytes of SBUF that weights and result share;
    `scales` are those of gate, up and down, or None.
    """
    _, tokens, length = hidden.shape
    width, inner = gate.shape
    place = nl.ndarray((LANES, room), dtype=nl.uint8, buffer=nl.sbuf)
    rows = min(rows, length)
    slots = slots_in(place, 0, (LANES, rows, inner), gate.dtype)
    loads = -(-length // rows)
    gate_scales, up_scales, down_scales = scales if scales is not None else (None, None, None)
    opened = projected(hidden, gate, slots, 0, gate_scales)
    raised = projected(hidden, up, slots, loads, up_scales)
    nisa.activation(dst=opened, op=nl.silu, data=opened)
    nisa.tensor_tensor(dst=raised, data1=opened, data2=raised, op=nl.multiply)
    gated = turned(raised, hidden.dtype)
    row = place[0:tokens, 0 : 2 * width].view(hidden.dtype)
    first_byte, factors = 2 * width, None
    if down_scales is not None:
        factors = place[0:tokens, first_byte : first_byte + 4 * width].view(nl.float32)
        nisa.dma_copy(dst=factors, src=down_scales[0:tokens, :], dge_mode=nisa.dge_mode.none)
        first_byte += 4 * width
    piece = min(piece, width)
    last_byte = ((2 * loads - 1) % len(slots) + 1) * rows * inner * gate.dtype.itemsize
    turn = max(0, -(-(last_byte - first_byte) // (piece * down.dtype.itemsize)))
    lowered(gated, down, slots_in(place, first_byte, (LANES, piece), down.dtype), turn, row, factors)
    return row


@kernel
def decode_mlp(x, gate, up, down, norm="", gain=None, residual=None):
    """x [T, H], gate and up [H, I], down [I, H], all bfloat16; T <= 32, H a multiple of 512.

    `norm` is "", "rms" or "layer" and goes with `gain` [1, H]. With `residual` [T, H] the sum of x and it takes x's
    place and is returned beside the result.
    """
    tokens, width = x.shape
    length = width // LANES
    out = nl.ndarray((tokens, width), dtype=x.dtype, buffer=nl.shared_hbm)
    hidden = across_partitions(x)
    if residual is not None:
        other = across_partitions(residual)
        nisa.tensor_tensor(dst=hidden, data1=hidden, data2=other, op=nl.add)
        sums = nl.ndarray((tokens, width), dtype=x.dtype, buffer=nl.shared_hbm)
        nisa.dma_copy(dst=sums.reshape((tokens, LANES, length)).permute((1, 0, 2)), src=hidden)
        hidden = across_partitions(sums)
    if norm:
        gains = nl.ndarray((LANES, length), dtype=gain.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=gains, src=gain.reshape((LANES, length)), dge_mode=nisa.dge_mode.none)
        hidden = rms_normed(hidden, gains) if norm == "rms" else layer_normed(hidden, gains)
    room = SPACE_BYTES - 8 * gate.shape[1] - (14 if norm else 2) * tokens * length
    row = multiplied(hidden, gate, up, down, 16, 4096, room, None)
    nisa.dma_copy(dst=out, src=row)
    return (out, sums) if residual is not None else out


@kernel
def decode_mlp_fp8(x, gate, up, down, gate_scales, up_scales, down_scales):
    """The same with float8 weights and a float32 scale per column of each matrix, repeated for every partition."""
    tokens, width = x.shape
    out = nl.ndarray((tokens, width), dtype=x.dtype, buffer=nl.shared_hbm)
    hidden = across_partitions(x)
    room = SPACE_BYTES - 16 * gate.shape[1] - 2 * tokens * width // LANES
    row = multiplied(hidden, gate, up, down, 32, 8192, room, (gate_scales, up_scales, down_scales))
    nisa.dma_copy(dst=out, src=row)
    return out
