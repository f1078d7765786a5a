"""A gated MLP for many tokens, down(silu(x @ gate) * (x @ up)), with a residual added and RMSNorm in front if asked.

The algorithm, tiles and places of nki-library's mlp_cte on one core. Up to 512 tokens go through together, four row
tiles of 128, and all the weights are loaded again for each such block: 1024 rows of gate and up, 128 x 1024 of down at
a time. The rows of x are transposed in place and the result takes their place, so that a block is loaded only when the
one before is stored; gate and up are loaded to where the squares of the normalisation were. All stages use the PSUM
banks from the first on.

Where the library adds the residual in a DMA, GpSimd, which is idle otherwise, adds it here.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128
BANK = 512
BANK_BYTES = 2048
BANKS = 8
BLOCK = 512
ROWS = 1024
"""Rows of gate and up, and columns of down, that one load takes."""
EPSILON = 1e-6


def bank_at(index, shape, dtype):
    """A PSUM tile at the start of a bank, counted around."""
    return nl.ndarray(shape, dtype=dtype, buffer=nl.psum, address=(0, index % BANKS * BANK_BYTES))


def add_to(rows, other):
    """rows += other, half on Vector and half on GpSimd."""
    half = rows.shape[1] // 2
    for here, engine in ((slice(0, half), nisa.engine.vector), (slice(half, 2 * half), nisa.engine.gpsimd)):
        nisa.tensor_tensor(dst=rows[:, here], data1=rows[:, here], data2=other[:, here], op=nl.add, engine=engine)


def normed(rows, squares):
    """Divide rows [128, H] by their root mean squares, on Scalar; `squares` [128, H] float32 holds waste."""
    width = rows.shape[1]
    total = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation_reduce(dst=squares, op=nl.square, data=rows, reduce_op=nl.add, reduce_res=total)
    epsilon = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=epsilon, value=EPSILON)
    inverse = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=inverse, op=nl.rsqrt, data=total, scale=1.0 / width, bias=epsilon)
    nisa.activation(dst=rows, op=nl.copy, data=rows, scale=inverse)


def transpose_rows(rows, gains, first_bank):
    """Transpose each 128 columns of rows [128, H] in place; `gains` [128, H / 128], if any, scales them on the way."""
    width = rows.shape[1]
    for start in nl.affine_range(0, width, BANK):
        parts = min(BANK, width - start) // LANES
        bank = bank_at(first_bank + start // BANK, (LANES, parts, LANES), rows.dtype)
        for part in nl.affine_range(parts):
            here = start + part * LANES
            nisa.nc_transpose(dst=bank[:, part, :], data=rows[:, here : here + LANES], engine=nisa.engine.tensor)
        if gains is None:
            there = rows[:, start : start + parts * LANES]
            nisa.tensor_copy(dst=there, src=bank.reshape((LANES, parts * LANES)), engine=nisa.engine.vector)
        else:
            for part in nl.affine_range(parts):
                here = start + part * LANES
                nisa.tensor_scalar(
                    dst=rows[:, here : here + LANES],
                    data=bank[:, part, :],
                    op0=nl.multiply,
                    operand0=gains[:, here // LANES : here // LANES + 1],
                    engine=nisa.engine.vector,
                )


def projected(columns, weights, ring):
    """The transposed blocks `columns` times weights [H, I]: for each row tile a list of PSUM banks [128, <= 512]."""
    width, inner = weights.shape
    banks = []
    chunks = -(-inner // BANK)
    for tile in nl.affine_range(len(columns)):
        mine = []
        for chunk in nl.affine_range(chunks):
            size = min(BANK, inner - chunk * BANK)
            mine.append(bank_at(tile * chunks + chunk, (LANES, size), nl.float32))
        banks.append(mine)
    for start in nl.affine_range(0, width, ROWS):
        parts = min(ROWS, width - start) // LANES
        loaded = ring[start // ROWS % len(ring)][:, 0:parts, :]
        source = weights[start : start + parts * LANES, :].reshape((parts, LANES, inner)).permute((1, 0, 2))
        nisa.dma_copy(dst=loaded, src=source)
        for tile in nl.affine_range(len(columns)):
            for part in nl.affine_range(parts):
                here = start + part * LANES
                for chunk in nl.affine_range(chunks):
                    nisa.nc_matmul(
                        dst=banks[tile][chunk],
                        stationary=columns[tile][:, here : here + LANES],
                        moving=loaded[:, part, chunk * BANK : min((chunk + 1) * BANK, inner)],
                    )
    return banks


def gated_products(columns, gate, up, ring, gated):
    """gated[tile] [128, I] = silu(x @ gate) * (x @ up)."""
    for tile, banks in enumerate(projected(columns, gate, ring)):
        for chunk, bank in enumerate(banks):
            here = gated[tile][:, chunk * BANK : chunk * BANK + bank.shape[1]]
            nisa.activation(dst=here, op=nl.silu, data=bank)
    for tile, banks in enumerate(projected(columns, up, ring)):
        for chunk, bank in enumerate(banks):
            here = gated[tile][:, chunk * BANK : chunk * BANK + bank.shape[1]]
            nisa.tensor_tensor(dst=here, data1=here, data2=bank, op=nl.multiply)


def transpose_gated(gated, inner, first_bank):
    """Transpose each 128 columns of gated [128, chunks of 512] in place; the last ones may be fewer than 128."""
    for start in nl.affine_range(0, inner, BANK):
        size = min(BANK, inner - start)
        parts = -(-size // LANES)
        bank = bank_at(first_bank + start // BANK, (LANES, parts, LANES), gated.dtype)
        for part in nl.affine_range(parts):
            here = start + part * LANES
            some = min(LANES, inner - here)
            nisa.nc_transpose(dst=bank[0:some, part, :], data=gated[:, here : here + some], engine=nisa.engine.tensor)
        full = size // LANES * LANES
        if full:
            copied = bank[:, 0 : full // LANES, :].reshape((LANES, full))
            nisa.tensor_copy(dst=gated[:, start : start + full], src=copied, engine=nisa.engine.vector)
        if full < size:
            there = gated[0 : size - full, start + full : start + full + LANES]
            nisa.tensor_copy(dst=there, src=bank[0 : size - full, parts - 1, :], engine=nisa.engine.vector)


def lowered(gated, weights, ring, results):
    """results[tile] [128, H] = gated, transposed, times weights [I, H]."""
    inner, width = weights.shape
    tiles = -(-inner // LANES)
    turn = 0
    for start in nl.affine_range(0, width, ROWS):
        chunks = min(ROWS, width - start) // BANK
        banks = []
        for index in nl.affine_range(len(gated) * chunks):
            banks.append(bank_at(start // ROWS * len(gated) * chunks + index, (LANES, BANK), nl.float32))
        for piece in nl.affine_range(tiles):
            first = piece * LANES
            some = min(LANES, inner - first)
            loaded = ring[turn % len(ring)][0:some, 0 : chunks * BANK]
            turn += 1
            nisa.dma_copy(dst=loaded, src=weights[first : first + some, start : start + chunks * BANK])
            for tile in nl.affine_range(len(gated)):
                for chunk in nl.affine_range(chunks):
                    bank = banks[tile * chunks + chunk]
                    nisa.nc_matmul(
                        dst=bank,
                        stationary=gated[tile][0:some, first : first + LANES],
                        moving=loaded[:, chunk * BANK : (chunk + 1) * BANK],
                    )
                    if piece == tiles - 1:
                        here = results[tile][:, start + chunk * BANK : start + (chunk + 1) * BANK]
                        nisa.tensor_copy(dst=here, src=bank, engine=nisa.engine.vector)


def tiles_of(count, shape, dtype):
    made = []
    for _ in nl.affine_range(count):
        made.append(nl.ndarray(shape, dtype=dtype, buffer=nl.sbuf))
    return made


def shared_place(width, inner, dtype, has_squares, sets):
    """Bytes that first the squares of a row tile take and then the weights, with views of those.

    Four loads of gate or up, and `sets` of eight loads of down.
    """
    parts = min(ROWS, width) // LANES
    each, low = parts * inner * dtype.itemsize, ROWS * dtype.itemsize
    size = 4 * each + 8 * sets * low
    place = nl.ndarray((LANES, max(size, 4 * width) if has_squares else size), dtype=nl.uint8, buffer=nl.sbuf)
    ring, down_rings = [], []
    for index in nl.affine_range(4):
        ring.append(place[:, index * each : (index + 1) * each].view(dtype).reshape((LANES, parts, inner)))
    for number in nl.affine_range(sets):
        mine = []
        for index in nl.affine_range(8):
            start = 4 * each + (8 * number + index) * low
            mine.append(place[:, start : start + low].view(dtype))
        down_rings.append(mine)
    return place, ring, down_rings


@kernel
def prefill_mlp(x, gate, up, down, gain=None, residual=None, store_sums=False):
    """x [S, H], gate and up [H, I], down [I, H], all bfloat16; S a multiple of 128, H of 512.

    With `gain` [H / 128, 128] RMSNorm comes first. With `residual` [S, H] the sum of x and it takes x's place, and with
    `store_sums` is returned beside the result.
    """
    tokens, width = x.shape
    inner = gate.shape[1]
    chunks = -(-inner // BANK)
    block = min(BLOCK, tokens)
    out = nl.ndarray((tokens, width), dtype=x.dtype, buffer=nl.shared_hbm)
    sums = nl.ndarray((tokens, width), dtype=x.dtype, buffer=nl.shared_hbm) if store_sums else None
    gains = None
    if gain is not None:
        gains = nl.ndarray((LANES, width // LANES), dtype=nl.float32, buffer=nl.sbuf)
        for part in nl.affine_range(width // LANES):
            nisa.dma_copy(dst=gains[:, part : part + 1], src=gain[part : part + 1, :].permute((1, 0)))
    rows = tiles_of(block // LANES, (LANES, width), x.dtype)
    sets = 1 if width >= 8192 else 2
    place, source_ring, down_rings = shared_place(width, inner, gate.dtype, gain is not None, sets)
    gated_sets = []
    for _ in nl.affine_range(sets):
        gated_sets.append(tiles_of(block // LANES, (LANES, chunks * BANK), x.dtype))
    for number, start in enumerate(nl.affine_range(0, tokens, block)):
        count = min(block, tokens - start) // LANES
        gated = gated_sets[number % sets][0:count]
        for tile in nl.affine_range(count):
            here = slice(start + tile * LANES, start + (tile + 1) * LANES)
            nisa.dma_copy(dst=rows[tile], src=x[here, :])
            if residual is not None:
                other = nl.ndarray((LANES, width), dtype=x.dtype, buffer=nl.sbuf)
                nisa.dma_copy(dst=other, src=residual[here, :])
                add_to(rows[tile], other)
                if store_sums:
                    nisa.dma_copy(dst=sums[here, :], src=rows[tile])
        if gain is not None:
            for tile in nl.affine_range(count):
                normed(rows[tile], place[:, 0 : 4 * width].view(nl.float32))
        for tile in nl.affine_range(count):
            transpose_rows(rows[tile], gains, tile * width // BANK)
        gated_products(rows[0:count], gate, up, source_ring, gated)
        for tile in nl.affine_range(count):
            transpose_gated(gated[tile], inner, tile * chunks)
        lowered(gated, down, down_rings[number % sets], rows)
        for tile in nl.affine_range(count):
            nisa.dma_copy(dst=out[start + tile * LANES : start + (tile + 1) * LANES, :], src=rows[tile])
    return (out, sums) if store_sums else out
