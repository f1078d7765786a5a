"""Byte storage: views of access patterns against brute force, run-time offsets, out-of-bounds events, registers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nki_sim.memory.storage import Memory, Registers, UndefinedRegisterError, row_bytes
from nki_sim.program import dtypes as d
from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.ir import Register, TensorDecl
from nki_sim.targets import load

TARGET = load("trn2")
DTYPES = (d.float32, d.bfloat16, d.float8_e4m3, d.int32, d.uint16, d.int8, d.bool_)


def tensor(index: int, space: str, shape: tuple[int, ...], dtype: d.DType) -> TensorDecl:
    buffer = "shared_hbm" if space == "hbm" else space
    return TensorDecl(index=index, name="", space=space, buffer=buffer, shape=shape, dtype=dtype)


@st.composite
def cases(draw: st.DrawFn) -> tuple[TensorDecl, tuple[int, int], AccessPattern]:
    """A tensor, its place, and a pattern in it: steps of both signs and 0, overlaps, other dtypes, odd addresses."""
    space = draw(st.sampled_from(["sbuf", "psum", "hbm"]))
    stored, read = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(DTYPES))
    rows = draw(st.integers(1, 6))
    decl = tensor(0, space, (rows, 24), stored)
    total_bytes = decl.bytes_per_partition
    room = total_bytes // read.itemsize
    dims = tuple(draw(st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 4)), min_size=0, max_size=4)))
    low = sum(min(0, step * (count - 1)) for step, count in dims)
    high = sum(max(0, step * (count - 1)) for step, count in dims)
    if high - low >= room:
        dims, low, high = (), 0, 0
    offset = draw(st.integers(-low, room - 1 - high))
    partition = None
    if space != "hbm":
        first = draw(st.integers(0, rows - 1))
        step = draw(st.integers(0, 2))
        partition = (first, step, draw(st.integers(1, 4 if step == 0 else (rows - 1 - first) // step + 1)))
    place = (draw(st.sampled_from([0, 7, 64, 122])), draw(st.integers(0, 13)))
    return decl, place, AccessPattern(decl, read, partition, offset, dims)


def fresh(decls: list[TensorDecl], placement: dict[int, tuple[int, int]], seed: int = 0) -> Memory:
    """Memory with random bytes everywhere near the tensors."""
    memory = Memory(TARGET, placement, decls)
    generator = np.random.default_rng(seed)
    memory.start({
        t.index: generator.integers(0, 256, t.nbytes, np.uint8).view(t.dtype.storage).reshape(t.shape)
        for t in decls if t.space == "hbm"
    })  # fmt: skip
    for room in (memory.sbuf, memory.psum):
        room[:, :512] = generator.integers(0, 256, (128, 512), np.uint8)
    return memory


def address(memory: Memory, pattern: AccessPattern, place: tuple[int, int], where: tuple[int, int]) -> tuple[Any, int]:
    """(bytes of one partition or of the HBM tensor, byte of the element) by the definition of a pattern."""
    partition, element = where
    if pattern.partition is None:
        return memory.hbm[pattern.tensor.index].reshape(-1).view(np.uint8), element * pattern.dtype.itemsize
    room = memory.sbuf if pattern.space == "sbuf" else memory.psum
    return room[place[0] + partition], place[1] + element * pattern.dtype.itemsize


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 9))
def test_a_view_is_its_element_offsets(case: Any, seed: int) -> None:
    decl, place, pattern = case
    memory = fresh([decl], {0: place}, seed)
    size = pattern.dtype.itemsize
    expected = b""
    for where in pattern.element_offsets():
        row, start = address(memory, pattern, place, where)
        expected += row[start : start + size].tobytes()
    assert memory.view(pattern).shape == pattern.shape
    assert memory.view(pattern).tobytes() == expected
    assert memory.read(pattern).tobytes() == expected


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, 9), st.booleans())
def test_a_write_changes_those_bytes_and_no_others(case: Any, seed: int, masked: bool) -> None:
    decl, place, pattern = case
    seen = list(pattern.element_offsets())
    # Where elements overlap, which of them wins is not said.
    assume(len(set(seen)) == len(seen))
    memory, twin = (fresh([decl], {0: place}, seed) for _ in range(2))
    generator = np.random.default_rng(seed + 1)
    values = generator.integers(0, 256, pattern.nbytes, np.uint8).view(pattern.dtype.storage)
    where = generator.random(pattern.elements) < 0.5 if masked else None
    memory.write(pattern, values, where)
    size = pattern.dtype.itemsize
    for number, element in enumerate(seen):
        if where is None or where[number]:
            row, start = address(twin, pattern, place, element)
            row[start : start + size] = values[number : number + 1].view(np.uint8)
    assert memory.sbuf[:, :512].tobytes() == twin.sbuf[:, :512].tobytes()
    assert memory.psum[:, :512].tobytes() == twin.psum[:, :512].tobytes()
    assert all(memory.hbm[i].tobytes() == twin.hbm[i].tobytes() for i in memory.hbm)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-2, 8), min_size=1, max_size=7),
    st.integers(0, 2),
    st.sampled_from([d.int32, d.int16]),
    st.integers(0, 9),
)
def test_vector_offsets(numbers: list[int], offset: int, index_dtype: d.DType, seed: int) -> None:
    table, index = tensor(0, "hbm", (6, 5), d.float32), tensor(1, "sbuf", (len(numbers), 2), index_dtype)
    memory = fresh([table, index], {1: (3, 5)}, seed)
    rows = AccessPattern(index, index_dtype, (0, 1, len(numbers)), 1, ((1, 1),))
    memory.write(rows, np.array(numbers).astype(index_dtype.storage))
    # The step of the first dimension is meaningless; 1 is what kernels write.
    pattern = AccessPattern(table, d.float32, None, offset, ((1, len(numbers)), (2, 2)), None, VectorOffset(rows, 5, 6))
    found = memory.resolve(pattern)
    got = memory.read(pattern)
    for row, number in enumerate(numbers):
        legal = 0 <= number < 6
        assert found.in_bounds[row] == legal
        if legal:
            source = memory.hbm[0][number, offset : offset + 3 : 2]
            assert got[row].tobytes() == np.ascontiguousarray(source).tobytes()
        else:
            assert not got[row].any()
    events = [(event.row, event.value, event.limit) for event in found.violations]
    assert events == [(row, number, 6) for row, number in enumerate(numbers) if not 0 <= number < 6]


def test_a_row_that_starts_inside_and_ends_outside_is_out_of_bounds() -> None:
    table = tensor(0, "hbm", (6, 5), d.float32)
    memory = fresh([table], {})
    register = Register(0)
    pattern = AccessPattern(table, d.float32, None, 1, ((1, 5),), DynamicOffset(register, 5, 6))
    memory.registers[register] = 4
    assert not memory.resolve(pattern).violations
    memory.registers[register] = 5
    [event] = memory.resolve(pattern).violations
    assert event.reach and event.value == 5 and event.row is None


@pytest.mark.parametrize(("value", "legal"), [(0, True), (3, True), (4, False), (-1, False)])
def test_the_limit_counts_even_where_the_tensor_goes_on(value: int, legal: bool) -> None:
    table, index = tensor(0, "hbm", (6, 5), d.float32), tensor(1, "sbuf", (1, 1), d.int32)
    memory = fresh([table, index], {1: (0, 0)})
    memory.write(index.whole(), np.array([value], np.int32))
    row = AccessPattern(table, d.float32, None, 5, ((5, 1), (1, 5)))
    for pattern in (
        row.replace(dynamic=DynamicOffset(index.whole(), 5, 4)),
        row.replace(vector=VectorOffset(index.whole(), 5, 4)),
    ):
        assert bool(memory.resolve(pattern).in_bounds[0]) == legal
        assert bool(memory.resolve(pattern).violations) != legal


def test_bytes_are_shared_between_tensors_at_one_address() -> None:
    wide, narrow = tensor(0, "sbuf", (2, 3), d.float32), tensor(1, "sbuf", (2, 6), d.uint16)
    memory = fresh([wide, narrow], {0: (0, 8), 1: (0, 8)})
    memory.write(wide.whole(), np.full((2, 3), 1.5, np.float32))
    assert memory.read(narrow.whole()).tolist() == [[0, 0x3FC0] * 3] * 2


@pytest.mark.parametrize("space", ["sbuf", "psum"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_is_undefined_again_at_each_start(dtype: d.DType, space: str) -> None:
    decl = tensor(0, space, (3, 7), dtype)
    memory = fresh([decl], {0: (32, 3)})
    memory.registers[Register(0)] = 1
    memory.start({})
    assert set(memory.read(decl.whole()).tobytes()) == {0xFF}
    if dtype.is_float:
        assert np.isnan(memory.read(decl.whole()).astype(np.float32)).all()
    with pytest.raises(UndefinedRegisterError):
        memory.registers[Register(0)]


@pytest.mark.parametrize(("value", "kept"), [(5, 5), (-1, -1), (2**31, -(2**31)), (2**32 + 3, 3), (2**32 - 1, -1)])
def test_registers_hold_signed_32_bits(value: int, kept: int) -> None:
    registers = Registers()
    registers[Register(4)] = value
    assert registers[Register(4)] == kept


@given(st.integers(1, 300_000))
def test_row_bytes_pad_and_align(usable: int) -> None:
    row = row_bytes(usable)
    assert row % 64 == 0 and 320 <= row - usable < 384


def test_a_pattern_outside_the_memory_is_refused() -> None:
    decl = tensor(0, "psum", (2, 4), d.float32)
    memory = fresh([decl], {0: (127, 0)})
    with pytest.raises(ValueError):
        memory.view(decl.whole().replace(offset=100_000))
