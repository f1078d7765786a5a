"""Brute-force answers and Hypothesis strategies about access patterns, for tests of regions, maps and analyses."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import bfloat16, float32, uint8
from nki_sim.program.ir import TensorDecl

DTYPES = (uint8, bfloat16, float32)


def touched(pattern: AccessPattern) -> set[tuple[int, int]]:
    """Every (partition, byte) of the pattern, relative to its tensor."""
    size = pattern.dtype.itemsize
    return {(p, offset * size + k) for p, offset in pattern.element_offsets() for k in range(size)}


def make_tensor(space: str, partitions: int, row_elements: int, **fields: Any) -> TensorDecl:
    """A uint8 tensor of `partitions` x `row_elements` bytes."""
    shape = (row_elements,) if space == "hbm" else (partitions, row_elements)
    fields = {"index": 0, "name": "t", "dtype": uint8, **fields}
    return TensorDecl(space=space, buffer=space, shape=shape, **fields)  # type: ignore[arg-type]


@st.composite
def patterns(draw: st.DrawFn, tensor: TensorDecl, max_dims: int = 3) -> AccessPattern:
    """A pattern inside `tensor`: any type, strides of either sign and zero, repeats and overlaps included."""
    dtype = draw(st.sampled_from(DTYPES))
    room = tensor.bytes_per_partition // dtype.itemsize
    dims: list[tuple[int, int]] = []
    low = high = 0
    for _ in range(draw(st.integers(1, max_dims))):
        count = draw(st.integers(1, 5))
        stride = draw(st.sampled_from((1, 1, 2, 3, 4, 5, 8, 12, 0, -1, -4)))
        reach = stride * (count - 1)
        if max(high, high + reach) - min(low, low + reach) >= room:
            continue
        low, high = min(low, low + reach), max(high, high + reach)
        dims.append((stride, count))
    offset = draw(st.integers(-low, room - 1 - high))
    partition = None
    if tensor.space != "hbm":
        step = draw(st.sampled_from((1, 1, 1, 2, 3, 0)))
        count = draw(st.integers(1, max(1, (tensor.partitions - 1) // max(step, 1) + 1)))
        start = draw(st.integers(0, tensor.partitions - 1 - step * (count - 1)))
        partition = (start, step, count)
    return AccessPattern(tensor, dtype, partition, offset, tuple(dims))
