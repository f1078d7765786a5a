"""Grouped-query attention in float32 over 4096 keys, step by step as a public ladder of hand variants changed it.

The steps are those of Jerry2423/kda-for-trainium (gqa_full); who copies what follows its published instruction counts
per engine. One key head with its queries is enough: the heads of the measured shape repeat and share nothing.
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


def turn(target, tile, engine):
    """Write [128, n * 128] transposed part by part to `target` [128, n * 128]; a copy takes up to four parts."""
    width = min(tile.shape[1], BANK)
    for start in nl.affine_range(0, tile.shape[1], width):
        bank = nl.ndarray((LANES, width), dtype=tile.dtype, buffer=nl.psum)
        for part in nl.affine_range(0, width, LANES):
            here = tile[:, start + part : start + part + LANES]
            nisa.nc_transpose(dst=bank[:, part : part + LANES], data=here, engine=nisa.engine.tensor)
        nisa.tensor_copy(dst=target[:, start : start + width], src=bank, engine=engine)


def limbs(tile):
    """A float32 tile as two bfloat16 tiles whose sum is close to it."""
    high = nl.ndarray(tile.shape, dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.tensor_copy(dst=high, src=tile, engine=nisa.engine.vector)
    low = nl.ndarray(tile.shape, dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=low, data1=tile, data2=high, op=nl.subtract)
    return high, low


def score_bank(query, keys, start):
    """Scores of 128 queries and 512 keys in PSUM; operands in limbs give three products (low times low is dropped)."""
    bank = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum)
    pairs = [(0, 0)] if len(query) == 1 else [(0, 0), (0, 1), (1, 0)]
    for one, other in pairs:
        nisa.nc_matmul(dst=bank, stationary=query[one], moving=keys[other][:, start : start + BANK])
    return bank


def softened(query, keys, scale, scale_in_exp, maximum, from_psum):
    """exp of the scores of 128 queries [128, keys], and 1 / their sum; options as for `grouped_attention`."""
    width = keys[0].shape[1]
    power = nl.ndarray((LANES, width), dtype=nl.float32, buffer=nl.sbuf)
    if from_psum:
        for start in nl.affine_range(0, width, BANK):
            bank = score_bank(query, keys, start)
            nisa.activation(dst=power[:, start : start + BANK], op=nl.exp, data=bank, scale=scale)
    else:
        score = nl.ndarray((LANES, width), dtype=nl.float32, buffer=nl.sbuf)
        for start in nl.affine_range(0, width, BANK):
            engine = nisa.engine.scalar if start // BANK % 4 == 3 else nisa.engine.vector
            nisa.tensor_copy(dst=score[:, start : start + BANK], src=score_bank(query, keys, start), engine=engine)
        if not scale_in_exp:
            nisa.tensor_scalar(dst=score, data=score, op0=nl.multiply, operand0=scale)
        factor = scale if scale_in_exp else 1.0
        if maximum:
            lowered = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
            nisa.tensor_reduce(dst=lowered, data=score, op=nl.maximum, axis=1, negate=True)
            if scale_in_exp:
                nisa.tensor_scalar(dst=lowered, data=lowered, op0=nl.multiply, operand0=scale)
            nisa.activation(dst=power, op=nl.exp, data=score, bias=lowered, scale=factor)
        else:
            nisa.activation(dst=power, op=nl.exp, data=score, scale=factor)
    total = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=total, data=power, op=nl.add, axis=1)
    inverse = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(dst=inverse, data=total)
    return power, inverse


def product_in_turn(weights, values):
    """weights [128, keys] times values, part by part; the transposes keep four parts ahead of the products."""
    bank = nl.ndarray((LANES, LANES), dtype=nl.float32, buffer=nl.psum)
    parts = weights.shape[1] // LANES
    ahead = 4
    turned = []
    for part in nl.affine_range(parts + ahead):
        if part < parts:
            tile = nl.ndarray((LANES, LANES), dtype=nl.float32, buffer=nl.sbuf)
            engine = nisa.engine.scalar if part % 2 else nisa.engine.vector
            turn(tile, weights[:, part * LANES : (part + 1) * LANES], engine)
            turned.append(tile)
        if part >= ahead:
            nisa.nc_matmul(dst=bank, stationary=turned[part - ahead], moving=values[:, part - ahead, :])
    return bank


def product_after(turned, values):
    """The same of weights transposed before."""
    bank = nl.ndarray((LANES, LANES), dtype=nl.float32, buffer=nl.psum)
    for part in nl.affine_range(values.shape[1]):
        nisa.nc_matmul(dst=bank, stationary=turned[:, part * LANES : (part + 1) * LANES], moving=values[:, part, :])
    return bank


def queries_of(q, first, tiles, split):
    """Transposed tiles of queries from row `first` on, each as a list of one tile or of two limbs."""
    result = []
    for tile in nl.affine_range(tiles):
        query = nl.ndarray((LANES, LANES), dtype=q.dtype, buffer=nl.sbuf)
        start = first + tile * LANES
        turn(query, load_tile(q[start : start + LANES]), nisa.engine.vector)
        result.append(limbs(query) if split else [query])
    return result


@kernel(target="trn2")
def grouped_attention(
    q,
    k,
    v,
    scale,
    together=1,
    two_passes=False,
    scale_in_exp=False,
    deferred=False,
    split=False,
    maximum=True,
    from_psum=False,
):
    """q [queries, 128] of all heads of a group, k and v [keys, 128].

    together        tiles of queries whose scores are made before their second products
    two_passes      transpose all weights of a tile before its second product, not part by part
    scale_in_exp    scale within the exponential instead of a pass over the scores
    deferred        divide the result, not the weights
    split           first product in three bfloat16 products instead of one in float32
    maximum         subtract the row maximum
    from_psum       exponentials straight from PSUM, bank by bank (without a maximum)
    """
    out = nl.ndarray(q.shape, dtype=q.dtype, buffer=nl.shared_hbm)
    keys_t = nl.ndarray((LANES, k.shape[0]), dtype=k.dtype, buffer=nl.sbuf)
    values = nl.ndarray((LANES, k.shape[0] // LANES, LANES), dtype=v.dtype, buffer=nl.sbuf)
    for start in nl.affine_range(0, k.shape[0], LANES):
        turn(keys_t[:, start : start + LANES], load_tile(k[start : start + LANES]), nisa.engine.vector)
        nisa.dma_copy(dst=values[:, start // LANES, :], src=v[start : start + LANES])
    keys = limbs(keys_t) if split else [keys_t]
    ahead = queries_of(q, 0, together, split)
    for first in nl.affine_range(0, q.shape[0], together * LANES):
        ready = []
        for query in ahead:
            weights, inverse = softened(query, keys, scale, scale_in_exp, maximum, from_psum)
            if not deferred:
                nisa.tensor_scalar(dst=weights, data=weights, op0=nl.multiply, operand0=inverse)
            if two_passes:
                turned = nl.ndarray(weights.shape, dtype=nl.float32, buffer=nl.sbuf)
                turn(turned, weights, nisa.engine.scalar)
                weights = turned
            ready.append((weights, inverse))
        following = first + together * LANES
        if following < q.shape[0]:
            ahead = queries_of(q, following, together, split)
        for one in nl.affine_range(together):
            weights, inverse = ready[one]
            bank = product_after(weights, values) if two_passes else product_in_turn(weights, values)
            result = nl.ndarray((LANES, LANES), dtype=q.dtype, buffer=nl.sbuf)
            if deferred:
                nisa.tensor_scalar(dst=result, data=bank, op0=nl.multiply, operand0=inverse)
            else:
                nisa.tensor_copy(dst=result, src=bank, engine=nisa.engine.vector)
            start = first + one * LANES
            nisa.dma_copy(dst=out[start : start + LANES], src=result)
    return out


@kernel(target="trn2")
def spilled_attention(q, k, v, scale):
    """The generated kernel the ladder starts from: all scores of a group are made, and go through HBM, before any exp.

    The measured traffic says that they did so once; which of them would fit SBUF its compiler decided.
    """
    tiles, width = q.shape[0] // LANES, k.shape[0]
    out = nl.ndarray(q.shape, dtype=q.dtype, buffer=nl.shared_hbm)
    scores = nl.ndarray((tiles, LANES, width), dtype=nl.float32, buffer=nl.hbm)
    keys_t = nl.ndarray((LANES, width), dtype=k.dtype, buffer=nl.sbuf)
    values = nl.ndarray((LANES, width // LANES, LANES), dtype=v.dtype, buffer=nl.sbuf)
    maxima = nl.ndarray((LANES, tiles, width // BANK), dtype=nl.float32, buffer=nl.sbuf)
    for start in nl.affine_range(0, width, LANES):
        turn(keys_t[:, start : start + LANES], load_tile(k[start : start + LANES]), nisa.engine.vector)
        nisa.dma_copy(dst=values[:, start // LANES, :], src=v[start : start + LANES])
    for tile in nl.affine_range(tiles):
        query = queries_of(q, tile * LANES, 1, False)[0]
        for chunk in nl.affine_range(width // BANK):
            here = slice(chunk * BANK, (chunk + 1) * BANK)
            score = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
            nisa.tensor_scalar(dst=score, data=score_bank(query, [keys_t], here.start), op0=nl.multiply, operand0=scale)
            nisa.tensor_reduce(dst=maxima[:, tile, chunk : chunk + 1], data=score, op=nl.maximum, axis=1)
            nisa.dma_copy(dst=scores[tile, :, here], src=score)
    for tile in nl.affine_range(tiles):
        lowered = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=lowered, data=maxima[:, tile, :], op=nl.maximum, axis=1, negate=True)
        sums = nl.ndarray((LANES, width // BANK), dtype=nl.float32, buffer=nl.sbuf)
        weights = nl.ndarray((LANES, width), dtype=nl.float32, buffer=nl.sbuf)
        for chunk in nl.affine_range(width // BANK):
            here = weights[:, chunk * BANK : (chunk + 1) * BANK]
            score = load_tile(scores[tile, :, chunk * BANK : (chunk + 1) * BANK])
            nisa.activation(dst=here, op=nl.exp, data=score, bias=lowered)
            nisa.tensor_reduce(dst=sums[:, chunk : chunk + 1], data=here, op=nl.add, axis=1)
        total = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=total, data=sums, op=nl.add, axis=1)
        inverse = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.reciprocal(dst=inverse, data=total)
        for chunk in nl.affine_range(width // BANK):
            here = weights[:, chunk * BANK : (chunk + 1) * BANK]
            nisa.tensor_scalar(dst=here, data=here, op0=nl.multiply, operand0=inverse)
        result = nl.ndarray((LANES, LANES), dtype=q.dtype, buffer=nl.sbuf)
        nisa.tensor_copy(dst=result, src=product_in_turn(weights, values), engine=nisa.engine.vector)
        nisa.dma_copy(dst=out[tile * LANES : (tile + 1) * LANES], src=result)
    return out
