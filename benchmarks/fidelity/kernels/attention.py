"""softmax(Q^T K) V^T for q, k, v [128, sequence], in one pass on chip or with the scores sent through HBM.

The algorithms of the trn2 profiles (allenkchau/trainium-kernel-fusion), in the order their instructions ran: scores in
float32, division after the second product in the one-pass form, before it in the other.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128
CHUNK = 512


def load_tile(source):
    """A new SBUF tile with the contents of `source`."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def transposed(tile, engine):
    """[128, n * 128] as [128, n, 128], every 128 columns transposed; four of them share a PSUM bank and a copy."""
    parts = tile.shape[1] // LANES
    result = nl.ndarray((LANES, parts, LANES), dtype=nl.float32, buffer=nl.sbuf)
    for start in nl.affine_range(0, parts, CHUNK // LANES):
        bank = nl.ndarray((LANES, CHUNK // LANES, LANES), dtype=tile.dtype, buffer=nl.psum)
        for part in nl.affine_range(CHUNK // LANES):
            nisa.nc_transpose(
                dst=bank[:, part, :],
                data=tile[:, (start + part) * LANES : (start + part + 1) * LANES],
                engine=nisa.engine.tensor,
            )
        nisa.tensor_copy(dst=result[:, start : start + CHUNK // LANES, :], src=bank, engine=engine)
    return result


def score_bank(query, keys, tile, key):
    """The scores of one tile of queries and 512 keys from `key` on, in PSUM."""
    bank = nl.ndarray((LANES, CHUNK), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=bank, stationary=query[:, tile * LANES : (tile + 1) * LANES], moving=keys[:, key : key + CHUNK])
    return bank


def row_maxima(chunks, target):
    """Write the negative row maxima of all tiles to `target` [128, tiles]."""
    tiles = len(chunks)
    each = len(chunks[0])
    partial = nl.ndarray((LANES, tiles, each), dtype=nl.float32, buffer=nl.sbuf)
    for tile in nl.affine_range(tiles):
        for part in nl.affine_range(each):
            nisa.tensor_reduce(dst=partial[:, tile, part : part + 1], data=chunks[tile][part], op=nl.maximum, axis=1)
    nisa.tensor_reduce(dst=target, data=partial, op=nl.maximum, axis=2, negate=True)


def exponentials(chunks, negative_maximum, partial_sums):
    """exp(score - maximum) of one tile as [128, sequence] in SBUF; the sum of each chunk goes to `partial_sums`."""
    result = nl.ndarray((LANES, len(chunks) * CHUNK), dtype=nl.float32, buffer=nl.sbuf)
    for part in nl.affine_range(len(chunks)):
        here = result[:, part * CHUNK : (part + 1) * CHUNK]
        nisa.activation(dst=here, op=nl.exp, data=chunks[part], bias=negative_maximum)
        nisa.tensor_reduce(dst=partial_sums[:, part : part + 1], data=here, op=nl.add, axis=1)
    return result


def weighed(probabilities_t, values_t):
    """One tile of the second product, [128 queries, 128] in PSUM."""
    bank = nl.ndarray((LANES, LANES), dtype=nl.float32, buffer=nl.psum)
    for part in nl.affine_range(values_t.shape[1]):
        nisa.nc_matmul(dst=bank, stationary=probabilities_t[:, part, :], moving=values_t[:, part, :])
    return bank


def grouped_scores(queries, keys, first, group):
    """The scores of `group` tiles of queries, a list of chunks each, all tiles of one chunk of keys after another.

    The last chunk stays in PSUM; four tiles of more than one would not fit, so Scalar and Vector in turn copy the
    others to SBUF.
    """
    copied = []
    for _ in nl.affine_range(group):
        copied.append([])
    last = keys.shape[1] - CHUNK
    for key in nl.affine_range(0, last, CHUNK):
        for tile in nl.affine_range(group):
            bank = score_bank(queries, keys, first + tile, key)
            chunk = nl.ndarray((LANES, CHUNK), dtype=nl.float32, buffer=nl.sbuf)
            engine = nisa.engine.vector if tile % 2 else nisa.engine.scalar
            nisa.tensor_copy(dst=chunk, src=bank, engine=engine)
            copied[tile].append(chunk)
    result = []
    for tile in nl.affine_range(group):
        result.append(copied[tile] + [score_bank(queries, keys, first + tile, last)])
    return result


@kernel
def attention_in_one_pass(q, k, v):
    """Everything between the inputs and the result stays on chip; four tiles of queries go through together."""
    sequence = q.shape[1]
    tiles = sequence // LANES
    group = 4
    out = nl.ndarray((sequence, LANES), dtype=q.dtype, buffer=nl.shared_hbm)
    values, keys, queries = load_tile(v), load_tile(k), load_tile(q)
    values_t = transposed(values, nisa.engine.scalar)
    finished = nl.ndarray((LANES, tiles, LANES), dtype=q.dtype, buffer=nl.sbuf)
    for first in nl.affine_range(0, tiles, group):
        chunks = grouped_scores(queries, keys, first, group)
        maxima = nl.ndarray((LANES, group), dtype=nl.float32, buffer=nl.sbuf)
        row_maxima(chunks, maxima)
        partial = nl.ndarray((LANES, group, sequence // CHUNK), dtype=nl.float32, buffer=nl.sbuf)
        # Scalar takes the exponentials without a break; Vector copies the first tile's transposes between two row sums.
        exponential = []
        softened = []
        for tile in nl.affine_range(group):
            exponential.append(exponentials(chunks[tile], maxima[:, tile : tile + 1], partial[:, tile, :]))
            if tile == 1:
                softened.append(transposed(exponential[0], nisa.engine.vector))
        for tile in nl.affine_range(1, group):
            softened.append(transposed(exponential[tile], nisa.engine.scalar))
        sums = nl.ndarray((LANES, group), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=sums, data=partial, op=nl.add, axis=2)
        inverse = nl.ndarray((LANES, group), dtype=nl.float32, buffer=nl.sbuf)
        nisa.reciprocal(dst=inverse, data=sums)
        for tile in nl.affine_range(group):
            nisa.tensor_scalar(
                dst=finished[:, first + tile, :],
                data=weighed(softened[tile], values_t),
                op0=nl.multiply,
                operand0=inverse[:, tile : tile + 1],
            )
    nisa.dma_copy(dst=out.reshape((tiles, LANES, LANES)).permute((1, 0, 2)), src=finished)
    return out


@kernel
def attention_through_hbm(q, k, v):
    """Three phases: scores to HBM, softmax from HBM to HBM, second product from HBM."""
    sequence = q.shape[1]
    tiles = sequence // LANES
    out = nl.ndarray((sequence, LANES), dtype=q.dtype, buffer=nl.shared_hbm)
    scores = nl.ndarray((tiles, LANES, sequence), dtype=nl.float32, buffer=nl.hbm)
    by_lane = scores.permute((1, 0, 2))
    keys, queries, values = load_tile(k), load_tile(q), load_tile(v)
    pair = 2
    for first in nl.affine_range(0, tiles, pair):
        both = nl.ndarray((LANES, pair, sequence), dtype=nl.float32, buffer=nl.sbuf)
        for one in nl.affine_range(pair):
            for key in nl.affine_range(0, sequence, CHUNK):
                nisa.tensor_copy(
                    dst=both[:, one, key : key + CHUNK],
                    src=score_bank(queries, keys, first + one, key),
                    engine=nisa.engine.vector if one else nisa.engine.scalar,
                )
        nisa.dma_copy(
            dst=by_lane[:, first : first + pair, :], src=both, dge_mode=nisa.dge_mode.hwdge, engine=nisa.engine.scalar
        )
    values_t = transposed(values, nisa.engine.scalar)

    chunks = []
    for first in nl.affine_range(0, tiles, pair):
        both = load_tile(by_lane[:, first : first + pair, :])
        for one in nl.affine_range(pair):
            parts = []
            for key in nl.affine_range(0, sequence, CHUNK):
                parts.append(both[:, one, key : key + CHUNK])
            chunks.append(parts)
    maxima = nl.ndarray((LANES, tiles), dtype=nl.float32, buffer=nl.sbuf)
    row_maxima(chunks, maxima)
    partial = nl.ndarray((LANES, tiles, sequence // CHUNK), dtype=nl.float32, buffer=nl.sbuf)
    softened = []
    for tile in nl.affine_range(tiles):
        softened.append(exponentials(chunks[tile], maxima[:, tile : tile + 1], partial[:, tile, :]))
    sums = nl.ndarray((LANES, tiles), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, data=partial, op=nl.add, axis=2)
    inverse = nl.ndarray((LANES, tiles), dtype=nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(dst=inverse, data=sums)
    for first in nl.affine_range(0, tiles, pair):
        both = nl.ndarray((LANES, pair, sequence), dtype=nl.float32, buffer=nl.sbuf)
        for one in nl.affine_range(pair):
            for key in nl.affine_range(0, sequence, CHUNK):
                nisa.tensor_scalar(
                    dst=both[:, one, key : key + CHUNK],
                    data=softened[first + one][:, key : key + CHUNK],
                    op0=nl.multiply,
                    operand0=inverse[:, first + one : first + one + 1],
                )
        nisa.dma_copy(
            dst=by_lane[:, first : first + pair, :], src=both, dge_mode=nisa.dge_mode.hwdge, engine=nisa.engine.scalar
        )

    finished = nl.ndarray((LANES, tiles, LANES), dtype=q.dtype, buffer=nl.sbuf)
    for first in nl.affine_range(0, tiles, pair):
        both = load_tile(by_lane[:, first : first + pair, :])
        turned = []
        for one in nl.affine_range(pair):
            turned.append(transposed(both[:, one, :], nisa.engine.scalar))
        for one in nl.affine_range(pair):
            nisa.tensor_copy(
                dst=finished[:, first + one, :], src=weighed(turned[one], values_t), engine=nisa.engine.scalar
            )
    nisa.dma_copy(dst=out.reshape((tiles, LANES, LANES)).permute((1, 0, 2)), src=finished)
    return out
