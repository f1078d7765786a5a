"""The overlap test against sets of bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.overlap import Overlaps, same_elements
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import dtype_of
from nki_sim.program.ir import Program, TensorDecl

DTYPES = [dtype_of(name) for name in ("float32", "bfloat16", "uint8")]


def program() -> tuple[Program, dict[int, tuple[int, int]]]:
    """Two tensors that share some bytes, and one that shares none."""
    made = Program(name="overlaps", target="trn2")
    for index in range(3):
        made.tensors.append(
            TensorDecl(index=index, name="", space="sbuf", buffer="sbuf", shape=(8, 64), dtype=DTYPES[2])
        )
    return made, {0: (0, 0), 1: (4, 32), 2: (0, 200)}


@st.composite
def patterns(draw: st.DrawFn, tensors: list[TensorDecl]) -> AccessPattern:
    dtype = draw(st.sampled_from(DTYPES))
    room = 64 // dtype.itemsize
    outer, inner = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    dims = ((draw(st.integers(0, 4)), outer), (draw(st.integers(0, 2)), inner))
    reach = sum(stride * (count - 1) for stride, count in dims)
    offset = draw(st.integers(0, room - 1 - reach))
    start, step = draw(st.integers(0, 3)), draw(st.integers(1, 2))
    count = draw(st.integers(1, 2))
    return AccessPattern(draw(st.sampled_from(tensors)), dtype, (start, step, count), offset, dims)


def cells(pattern: AccessPattern, placement: dict[int, tuple[int, int]]) -> list[frozenset[tuple[int, int]]]:
    """(partition, byte) pairs of every element, in order."""
    partition, first = placement[pattern.tensor.index]
    size = pattern.dtype.itemsize
    return [
        frozenset((partition + p, first + offset * size + byte) for byte in range(size))
        for p, offset in pattern.element_offsets()
    ]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_shared_bytes_are_never_missed(data: st.DataObject) -> None:
    made, placement = program()
    one, other = data.draw(patterns(made.tensors)), data.draw(patterns(made.tensors))
    bytes_of = [frozenset().union(*cells(pattern, placement)) for pattern in (one, other)]
    overlaps = Overlaps(made, placement)
    if bytes_of[0] & bytes_of[1]:
        assert overlaps.may_overlap(one, other)
    if same_elements(one, other):
        assert cells(one, placement) == cells(other, placement)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_inputs_read_in_place_are_the_output_or_disjoint(data: st.DataObject) -> None:
    made, placement = program()
    tiles = {name: data.draw(patterns(made.tensors)) for name in ("dst", "data")}
    lowering = Lowering(emit=lambda ctx: None, elementwise=True)
    if Overlaps(made, placement).staged(list(tiles.items()), lowering):
        return
    written, read = (cells(tiles[name], placement) for name in ("dst", "data"))
    for i, target in enumerate(written):
        for j, source in enumerate(read):
            assert not target & source or i == j
