"""Flash attention, forward: softmax(Q K^T * scale) V without ever holding a whole row of scores.

Teaches: the *online* softmax keeps, per query, the largest score so far, the sum of exponentials relative to it and
the unnormalised output; a new chunk of keys rescales the last two by exp(old maximum - new maximum). 512 keys make
one chunk, because their scores fill one PSUM bank. The exponential reads the scores straight from PSUM and sums its
rows on the way. Contraction runs over partitions, so Q and K are transposed once, the probabilities once per chunk,
all on the Tensor Engine. Engines work in program order, and a chunk taken from start to end would leave each of them
waiting for the others: the loop is a pipeline of four stages instead, score, soften, turn, weigh, each a chunk behind
the one before. A causal mask skips whole chunks, and is added to the 128 x 128 block on the diagonal as one more
matrix product into the same PSUM bank.
"""

import math

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example

# Added to the score of a hidden key: far below any score, and finite, so that 0 * HIDDEN in a product stays 0.
HIDDEN = -3.0e38


def load_transposed(source):
    """A [head, rows] SBUF tile with the transpose of `source` [rows, head], a tensor in HBM; rows % 128 == 0."""
    rows, head = source.shape
    lanes = nl.tile_size.pmax
    strip = nl.tile_size.psum_bank_fmax
    result = nl.ndarray((head, rows), dtype=source.dtype, buffer=nl.sbuf)
    for row in nl.affine_range(0, rows, strip):
        height = min(strip, rows - row)
        loaded = load_rows(source[row : row + height])
        bank = nl.ndarray((head, height), dtype=source.dtype, buffer=nl.psum)
        for part in nl.affine_range(height // lanes):
            nisa.nc_transpose(
                dst=bank[:, part * lanes : (part + 1) * lanes],
                data=loaded[:, part, :],
                engine=nisa.engine.tensor,
            )
        nisa.tensor_copy(dst=result[:, row : row + height], src=bank, engine=nisa.engine.vector)
    return result


def load_rows(source):
    """A [128, rows / 128, head] SBUF tile with `source` [rows, head]: row r at partition r % 128."""
    rows, head = source.shape
    lanes = nl.tile_size.pmax
    tile = nl.ndarray((lanes, rows // lanes, head), dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source.reshape((rows // lanes, lanes, head)).permute((1, 0, 2)))
    return tile


def list_chunks(queries, keys, causal):
    """[(first query, first key, number of keys, is it the query tile's last chunk)] in the order of work."""
    lanes = nl.tile_size.pmax
    chunk = nl.tile_size.psum_bank_fmax
    chunks = []
    for query in range(0, queries, lanes):
        visible = min(keys, query + lanes) if causal else keys
        for key in range(0, visible, chunk):
            chunks.append((query, key, min(chunk, visible - key), key + chunk >= visible))
    return chunks


def make_mask(lanes):
    """(identity, mask), two [128, 128] bfloat16 SBUF tiles: mask[query, key] is 0 where key <= query, else HIDDEN."""
    tiles = []
    for start, other, comparison in ((1.0, 0.0, nl.equal), (0.0, HIDDEN, nl.greater_equal)):
        tile = nl.ndarray((lanes, lanes), dtype=nl.bfloat16, buffer=nl.sbuf)
        nisa.memset(dst=tile, value=start)
        # The value kept where (query - key) compares with 0.
        nisa.affine_select(
            dst=tile,
            pattern=[[-1, lanes]],
            channel_multiplier=1,
            on_true_tile=tile,
            on_false_value=other,
            cmp_op=comparison,
        )
        tiles.append(tile)
    return tiles[0], tiles[1]


def score(query_t, key_t, chunk, mask):
    """The chunk's scores in a PSUM tile [128 queries, keys], before scaling; `mask` is from make_mask, or empty."""
    query, key, width, is_last = chunk
    lanes = nl.tile_size.pmax
    scores = nl.ndarray((lanes, width), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(
        dst=scores,
        stationary=query_t[:, query : query + lanes],
        moving=key_t[:, key : key + width],
    )
    if is_last and len(mask) > 0:
        # identity @ mask, added in PSUM to the block on the diagonal: no other engine has to touch the scores.
        nisa.nc_matmul(dst=scores[:, width - lanes : width], stationary=mask[0], moving=mask[1])
    return scores


def soften(scores, factor, earlier, dtype):
    """Exponentials of a chunk's scores relative to the largest score so far: (probabilities, their row sums, bias).

    The exponent is scores * factor + bias, with bias = -factor * (largest score so far). `earlier` is what this
    returned for the query tile's chunk before, empty for its first; `dtype` is the type of the probabilities.
    """
    lanes, width = scores.shape
    minus_maximum = nl.ndarray((lanes, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=minus_maximum, op=nl.maximum, data=scores, axis=1, negate=True)
    bias = nl.ndarray((lanes, 1), dtype=nl.float32, buffer=nl.sbuf)
    if len(earlier) == 0:
        nisa.tensor_scalar(dst=bias, data=minus_maximum, op0=nl.multiply, operand0=factor)
    else:
        nisa.tensor_scalar(
            dst=bias, data=minus_maximum, op0=nl.multiply, operand0=factor, op1=nl.minimum, operand1=earlier[2]
        )
    probabilities = nl.ndarray((lanes, width), dtype=dtype, buffer=nl.sbuf)
    row_sums = nl.ndarray((lanes, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(
        dst=probabilities,
        op=nl.exp,
        data=scores,
        scale=factor,
        bias=bias,
        reduce_op=nl.add,
        reduce_res=row_sums,
        reduce_cmd=nisa.reduce_cmd.reset_reduce,
    )
    return probabilities, row_sums, bias


def turn(probabilities):
    """The transpose of each 128 x 128 block of `probabilities` [128, keys], in SBUF: keys on partitions."""
    lanes, width = probabilities.shape
    bank = nl.ndarray((lanes, width), dtype=probabilities.dtype, buffer=nl.psum)
    for part in nl.affine_range(0, width, lanes):
        nisa.nc_transpose(
            dst=bank[:, part : part + lanes],
            data=probabilities[:, part : part + lanes],
            engine=nisa.engine.tensor,
        )
    # On the Scalar Engine: Vector has the maximum and the rescaling to do.
    turned = nl.ndarray((lanes, width), dtype=probabilities.dtype, buffer=nl.sbuf)
    nisa.activation(dst=turned, op=nl.copy, data=bank)
    return turned


def weigh(turned, values, key):
    """probabilities @ values for one chunk, in a PSUM tile [128 queries, head]."""
    lanes, width = turned.shape
    weighed = nl.ndarray((lanes, values.shape[2]), dtype=nl.float32, buffer=nl.psum)
    for part in nl.affine_range(0, width, lanes):
        nisa.nc_matmul(
            dst=weighed,
            stationary=turned[:, part : part + lanes],
            moving=values[:, (key + part) // lanes, :],
        )
    return weighed


def add_chunk(running, weighed, softened, earlier):
    """The query tile's (sum of exponentials, unnormalised output) after one more chunk."""
    row_sums, bias = softened[1], softened[2]
    if len(earlier) == 0:
        output = nl.ndarray(weighed.shape, dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(dst=output, src=weighed, engine=nisa.engine.vector)
        return row_sums, output
    # exp(old maximum - new maximum), from the two biases.
    shrink = nl.ndarray(bias.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=shrink, op=nl.exp, data=earlier[2], scale=-1.0, bias=bias)
    for total, part in ((running[0], row_sums), (running[1], weighed)):
        nisa.scalar_tensor_tensor(dst=total, data=total, op0=nl.multiply, operand0=shrink, op1=nl.add, operand1=part)
    return running


def store_output(target, running):
    """Divide a query tile's output by its sum of exponentials, and write it to HBM."""
    total, output = running
    share = nl.ndarray(total.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(dst=share, data=total)
    finished = nl.ndarray(output.shape, dtype=target.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=finished, data=output, op0=nl.multiply, operand0=share)
    nisa.dma_copy(dst=target, src=finished)


@kernel
def flash_attention(query, key, value, causal=True, scale=None):
    """Attention of one head: query [S, head], key and value [T, head]; S and T multiples of 128, head <= 128.

    With `causal`, query i sees keys 0 .. i and S must equal T. `scale` (> 0) is 1 / sqrt(head) unless given. Products
    are of the inputs' type, sums and the softmax of float32.
    """
    lanes = nl.tile_size.pmax
    queries, head = query.shape
    keys = key.shape[0]
    assert head <= lanes, "the head dimension is contracted over partitions: at most 128"
    assert queries % lanes == 0 and keys % lanes == 0, "sequence lengths must be multiples of 128"
    assert not causal or queries == keys, "a causal mask needs as many queries as keys"
    factor = scale or 1.0 / math.sqrt(head)

    query_t = load_transposed(query)
    key_t = load_transposed(key)
    values = load_rows(value)
    result = nl.ndarray((queries, head), dtype=query.dtype, buffer=nl.shared_hbm)

    mask = make_mask(lanes) if causal else ()
    chunks = list_chunks(queries, keys, causal)
    scores, softened, turned = [], [], []
    running = ()
    # In one step four chunks are at work, each at another stage.
    for step in range(len(chunks) + 3):
        if step < len(chunks):
            scores.append(score(query_t, key_t, chunks[step], mask))
        if 1 <= step <= len(chunks):
            is_first = chunks[step - 1][1] == 0
            softened.append(soften(scores[step - 1], factor, () if is_first else softened[step - 2], value.dtype))
        if 2 <= step <= len(chunks) + 1:
            turned.append(turn(softened[step - 2][0]))
        if step >= 3:
            query_at, key_at, _, is_last = chunks[step - 3]
            weighed = weigh(turned[step - 3], values, key_at)
            earlier = () if key_at == 0 else softened[step - 4]
            running = add_chunk(running, weighed, softened[step - 3], earlier)
            if is_last:
                store_output(result[query_at : query_at + lanes], running)
    return result


def reference(query, key, value, causal=True, scale=None):
    factor = scale or 1.0 / math.sqrt(query.shape[1])
    scores = query @ key.T * factor
    if causal:
        scores = np.where(np.tri(*scores.shape, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ value


EXAMPLES = {
    "flash_attention": Example(
        inputs=lambda rng: tuple(rng.standard_normal((2048, 128), dtype=np.float32) for _ in range(3)),
        reference=reference,
    ),
}
