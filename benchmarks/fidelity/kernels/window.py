"""Causal attention of one head, over all earlier keys or a window of the last ones, on trn2.

The function and shapes of nki-library's attention_cte (head of 64, bfloat16), which looks at keys 512 at a time; not
its program. Scores are made twice, for the row maxima and then for the exponentials, which read them in PSUM; chunks
with a mask go through SBUF once. The maxima of the next tile of queries are found while a tile is finished.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128
BANK = 512
LOW = -3.0e38
BEHIND = 2
"""Chunks by which transposes follow their exponentials, and products their transposes, on the Tensor Engine."""


def is_masked(tile, key, window):
    """Whether some query of `tile` may not look at some of the 512 keys from `key` on."""
    first = tile * LANES
    return key + BANK - 1 > first or (window > 0 and first + LANES - 1 - key >= window)


def select(target, step, offset):
    """LOW in `target` [128, 512] where offset + step * column - step * row is negative."""
    nisa.affine_select(
        dst=target,
        pattern=[[step, BANK]],
        channel_multiplier=-step,
        offset=offset,
        on_true_tile=target,
        on_false_value=LOW,
        cmp_op=nl.greater_equal,
    )


def chunks_of(tile, window):
    """The first key of each 512 that queries of `tile` look at."""
    earliest = max(0, tile * LANES - window + 1) if window else 0
    return list(range(earliest // BANK * BANK, (tile + 1) * LANES, BANK))


def score_bank(queries_t, keys_t, tile, key):
    bank = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum)
    query = queries_t[:, tile * LANES : (tile + 1) * LANES]
    nisa.nc_matmul(dst=bank, stationary=query, moving=keys_t[:, key : key + BANK])
    return bank


def looked_at(queries_t, keys_t, tile, key, maxima, window):
    """Write the row maxima of a chunk to `maxima` [128, 1]; its scores if they are masked, else None."""
    bank = score_bank(queries_t, keys_t, tile, key)
    if not is_masked(tile, key, window):
        nisa.tensor_reduce(dst=maxima, data=bank, op=nl.maximum, axis=1)
        return None
    score = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=score, src=bank, engine=nisa.engine.vector)
    distance = tile * LANES - key
    if key + BANK - 1 > tile * LANES:
        select(score, -1, distance)
    if window and distance + LANES - 1 >= window:
        select(score, 1, window - 1 - distance)
    nisa.tensor_reduce(dst=maxima, data=score, op=nl.maximum, axis=1)
    return score


def exponentials(score, lowered, sums):
    """exp(score - maximum) of a chunk in bfloat16; the row sums go to `sums` [128, 1]."""
    power = nl.ndarray((LANES, BANK), dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.activation_reduce(dst=power, op=nl.exp, data=score, bias=lowered, reduce_op=nl.add, reduce_res=sums)
    return power


def transposed(power, engine):
    """Every 128 columns of a chunk transposed, by way of PSUM."""
    bank = nl.ndarray((LANES, BANK), dtype=nl.bfloat16, buffer=nl.psum)
    for part in range(0, BANK, LANES):
        here = slice(part, part + LANES)
        nisa.nc_transpose(dst=bank[:, here], data=power[:, here], engine=nisa.engine.tensor)
    turned = nl.ndarray((LANES, BANK), dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.tensor_copy(dst=turned, src=bank, engine=engine)
    return turned


def add_product(bank, turned, values, key):
    for part in range(0, BANK, LANES):
        nisa.nc_matmul(dst=bank, stationary=turned[:, part : part + LANES], moving=values[:, (key + part) // LANES, :])


def column(width):
    return nl.ndarray((LANES, width), dtype=nl.float32, buffer=nl.sbuf)


@kernel(target="trn2")
def causal_attention(q_t, k_t, v, window):
    """softmax(q k^T) v for q_t and k_t [d, sequence], v [sequence, d]; `window` keys back, 0 for all."""
    d, sequence = q_t.shape
    tiles = sequence // LANES
    out = nl.ndarray((sequence, d), dtype=v.dtype, buffer=nl.shared_hbm)
    keys_t = nl.ndarray((d, sequence), dtype=k_t.dtype, buffer=nl.sbuf)
    queries_t = nl.ndarray((d, sequence), dtype=q_t.dtype, buffer=nl.sbuf)
    values = nl.ndarray((LANES, tiles, d), dtype=v.dtype, buffer=nl.sbuf)
    piece = min(2048, sequence)
    for start in range(0, sequence, piece):
        here = slice(start, start + piece)
        nisa.dma_copy(dst=queries_t[:, here], src=q_t[:, here])
        nisa.dma_copy(dst=keys_t[:, here], src=k_t[:, here])
        some = slice(start // LANES, (start + piece) // LANES)
        nisa.dma_copy(dst=values[:, some, :], src=v[here].reshape((piece // LANES, LANES, d)).permute((1, 0, 2)))
    ahead, ahead_maxima = [], []
    for tile in range(-1, tiles):
        scores, maxima = ahead, ahead_maxima
        following = chunks_of(tile + 1, window) if tile + 1 < tiles else []
        ahead, ahead_maxima = [], column(max(1, len(following)))
        chunks = chunks_of(tile, window) if tile >= 0 else []
        if chunks:
            lowered, sums = column(1), column(len(chunks))
            nisa.tensor_reduce(dst=lowered, data=maxima, op=nl.maximum, axis=1, negate=True)
            bank = nl.ndarray((LANES, d), dtype=nl.float32, buffer=nl.psum)
        powers, turned = [], []
        for index in range(max(len(chunks) + 2 * BEHIND, len(following))):
            if index < len(following):
                found = ahead_maxima[:, index : index + 1]
                ahead.append(looked_at(queries_t, keys_t, tile + 1, following[index], found, window))
            if index < len(chunks):
                key = chunks[index]
                score = scores[index] if is_masked(tile, key, window) else score_bank(queries_t, keys_t, tile, key)
                powers.append(exponentials(score, lowered, sums[:, index : index + 1]))
            late = index - BEHIND
            if 0 <= late < len(chunks):
                turned.append(transposed(powers[late], nisa.engine.vector if late % 2 else nisa.engine.scalar))
            later = index - 2 * BEHIND
            if 0 <= later < len(chunks):
                add_product(bank, turned[later], values, chunks[later])
        if chunks:
            total, inverse = column(1), column(1)
            nisa.tensor_reduce(dst=total, data=sums, op=nl.add, axis=1)
            nisa.reciprocal(dst=inverse, data=total)
            result = nl.ndarray((LANES, d), dtype=v.dtype, buffer=nl.sbuf)
            nisa.tensor_scalar(dst=result, data=bank, op0=nl.multiply, operand0=inverse)
            nisa.dma_copy(dst=out[tile * LANES : (tile + 1) * LANES], src=result)
    return out
