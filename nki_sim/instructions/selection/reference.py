"""Reference meaning of iota, affine_select and tensor_copy_predicated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nki_sim.instructions.call import Reference, ReferenceCall, as_storage
from nki_sim.instructions.operators import COMPARISONS
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import cast, float32, from_float32


def affine_values(
    partitions: int, pattern: Sequence[Sequence[int]], offset: int, channel_multiplier: int
) -> npt.NDArray[np.int32]:
    """[partitions, product of counts] of offset + p * channel_multiplier + sum(step * index), in wrapping int32."""
    row = np.zeros(1, np.int64)
    for step, count in pattern:
        row = (row[:, None] + step * np.arange(count, dtype=np.int64)[None, :]).reshape(-1)
    column = offset + channel_multiplier * np.arange(partitions, dtype=np.int64)
    return ((column[:, None] + row[None, :]) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def _affine(call: ReferenceCall) -> npt.NDArray[np.int32]:
    return affine_values(
        call.shape("dst")[0],
        call.attributes["pattern"],
        int(call.attributes.get("offset") or 0),
        int(call.attributes.get("channel_multiplier") or 0),
    )


def iota(call: ReferenceCall) -> None:
    """nki.isa.iota: the affine values, worked out in 32-bit integers, cast to dst.

    To integer types the cast is exact and saturates; to floats it goes through float32.
    """
    values = _affine(call)
    target = call.dtype("dst")
    if target.is_integer:
        limits = np.iinfo(target.storage)
        call.write_raw("dst", np.clip(values.astype(np.int64), limits.min, limits.max).astype(target.storage))
    else:
        call.write_raw("dst", from_float32(values.astype(np.float32), target))


def affine_select(call: ReferenceCall) -> None:
    """nki.isa.affine_select: on_true_tile where `affine value cmp_op 0`, the float32 on_false_value elsewhere."""
    target = call.dtype("dst")
    chosen = COMPARISONS[call.attributes.get("cmp_op") or "equal"](_affine(call), np.int32(0))
    true = cast(call.read("on_true_tile"), call.dtype("on_true_tile"), target).reshape(chosen.shape)
    with np.errstate(over="ignore"):
        false = from_float32(np.full(chosen.shape, call.attributes["on_false_value"], float32.storage), target)
    call.write_raw("dst", np.where(chosen, true, false).astype(target.storage, copy=False))


def tensor_copy_predicated(call: ReferenceCall) -> None:
    """nki.isa.tensor_copy_predicated: copy where predicate is not zero (is zero, with reverse_pred); else keep dst."""
    wanted = call.read("predicate").reshape(call.shape("dst")) != 0
    if call.attributes.get("reverse_pred"):
        wanted = ~wanted
    source, target = call.operand("src"), call.dtype("dst")
    if isinstance(source, AccessPattern):
        values = cast(call.read("src"), source.dtype, target).reshape(wanted.shape)
    else:
        assert isinstance(source, int | float)
        values = np.full(wanted.shape, as_storage(source, target))
    call.write_raw("dst", values, where=wanted)


REFERENCE: Mapping[str, Reference] = MappingProxyType(
    {
        "iota": iota,
        "affine_select": affine_select,
        "tensor_copy_predicated": tensor_copy_predicated,
    }
)
