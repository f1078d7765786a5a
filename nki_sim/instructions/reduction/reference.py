"""Reference meaning of tensor_reduce, tensor_partition_reduce, bn_stats and bn_aggr."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from nki_sim.instructions.call import Reference, ReferenceCall
from nki_sim.instructions.operators import BITVEC, reduce_bits, reduce_float, unsigned_bits


def _reduce(call: ReferenceCall, axis: tuple[int, ...], negate: bool) -> None:
    op = call.attributes["op"]
    if op in BITVEC:
        target = call.dtype("dst").storage
        bits = reduce_bits(op, unsigned_bits(call.read("data")), axis)
        call.write_raw("dst", bits.astype(f"u{target.itemsize}").view(target))
        return
    values = call.read_f32("data")
    if op in ("average", "mean"):
        count = np.prod([values.shape[i] for i in axis])
        result = (np.sum(values.astype(np.float64), axis=axis) / count).astype(np.float32)
    else:
        result = reduce_float(op, values, axis)
    call.write("dst", -result if negate else result)


def tensor_reduce(call: ReferenceCall) -> None:
    """nki.isa.tensor_reduce: over the given free axes, in float32 or on bit patterns; negate multiplies by -1 at the
    end.

    keepdims changes the shape of dst only, not the order of its elements.
    """
    _reduce(call, tuple(call.attributes["axis"]), bool(call.attributes.get("negate")))


def tensor_partition_reduce(call: ReferenceCall) -> None:
    """nki.isa.tensor_partition_reduce: across partitions (add, average, max, bitwise_or, bitwise_and)."""
    _reduce(call, (0,), negate=False)


def bn_stats(call: ReferenceCall) -> None:
    """nki.isa.bn_stats: count, mean and variance * count of the even elements, then of the odd ones, per partition.

    Where there is no odd element the mean is 0 (assumed).
    """
    values = call.read_f32("data").astype(np.float64)
    values = values.reshape(values.shape[0], -1)
    stats = np.zeros((values.shape[0], 6))
    for first in (0, 1):
        part = values[:, first::2]
        if part.shape[1]:
            mean = part.mean(axis=1)
            stats[:, 3 * first] = part.shape[1]
            stats[:, 3 * first + 1] = mean
            stats[:, 3 * first + 2] = ((part - mean[:, None]) ** 2).sum(axis=1)
    call.write("dst", stats.astype(np.float32))


def bn_aggr(call: ReferenceCall) -> None:
    """nki.isa.bn_aggr: mean and population variance of all elements behind (count, mean, variance * count) tuples."""
    tuples = call.read_f32("data").astype(np.float64)
    tuples = tuples.reshape(tuples.shape[0], -1, 3)
    count, mean, scatter = tuples[:, :, 0], tuples[:, :, 1], tuples[:, :, 2]
    total = count.sum(axis=1)
    whole = (count * mean).sum(axis=1) / total
    # Chan, Golub and LeVeque: merging groups adds count * (mean - whole mean)^2 to the sum of squares.
    variance = (scatter + count * (mean - whole[:, None]) ** 2).sum(axis=1) / total
    call.write("dst", np.stack([whole, variance], axis=1).astype(np.float32))


REFERENCE: Mapping[str, Reference] = MappingProxyType(
    {
        "tensor_reduce": tensor_reduce,
        "tensor_partition_reduce": tensor_partition_reduce,
        "bn_stats": bn_stats,
        "bn_aggr": bn_aggr,
    }
)
