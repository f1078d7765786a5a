"""Placement: live tensors never share bytes, memories are never overfilled, loops rotate buffers, errors say why."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.memory import allocate
from nki_sim.memory.accesses import flatten
from nki_sim.memory.liveness import Life, live_ranges
from nki_sim.memory.packing import Block, Pinned, pack
from nki_sim.program.dtypes import bfloat16, float32, uint8
from nki_sim.targets import load
from tests.support.ir import Build, part

TRN2 = load("trn2")


def overlapping(allocation, tensors):
    """Pairs of tensors alive together whose placed rectangles share a byte."""
    found = []
    chip = [t for t in tensors if t.space != "hbm" and t.index in allocation.lives]
    for i, a in enumerate(chip):
        for b in chip[i + 1 :]:
            if a.space != b.space or not allocation.lives[a.index].meets(allocation.lives[b.index]):
                continue
            (pa, fa), (pb, fb) = allocation.placement[a.index], allocation.placement[b.index]
            rows = pa < pb + b.partitions and pb < pa + a.partitions
            if rows and fa < fb + b.bytes_per_partition and fb < fa + a.bytes_per_partition:
                found.append((a, b))
    return found


@st.composite
def programs(draw):
    """Copies between tensors of many sizes, some placed by the kernel in the lowest 8 KiB."""
    build = Build()
    pool = []
    for _ in range(draw(st.integers(2, 10))):
        space = draw(st.sampled_from(("sbuf", "sbuf", "psum")))
        most = 4000 if space == "psum" else 80000
        width = draw(st.integers(1, most))
        pool.append(build.tensor(space, (draw(st.sampled_from((1, 64, 128))), width), uint8))
    for _ in range(draw(st.integers(1, 14))):
        build.copy(draw(st.sampled_from(pool)), draw(st.sampled_from(pool)))
        if draw(st.booleans()):
            pool.append(build.sbuf(128, draw(st.integers(1, 60000)), dtype=uint8))
    return build


@settings(max_examples=150, deadline=None)
@given(programs())
def test_live_tensors_never_share_bytes_and_capacity_holds(build):
    allocation = allocate(build.program, TRN2)
    if allocation.diagnostics:
        assert {d.code for d in allocation.diagnostics} == {"capacity"}
        return
    assert overlapping(allocation, build.program.tensors) == []
    for tensor in build.program.tensors:
        start = allocation.placement[tensor.index][1]
        assert start >= 0
        assert start + tensor.bytes_per_partition <= TRN2.limit(
            f"{tensor.space}_usable_bytes" if tensor.space == "sbuf" else "psum_bytes"
        )
        if tensor.space == "psum":
            assert start % 4 == 0
            if tensor.bytes_per_partition <= 2048 and tensor.index in allocation.lives:
                assert start // 2048 == (start + tensor.bytes_per_partition - 1) // 2048, "straddles a bank"


@settings(max_examples=100, deadline=None)
@given(programs())
def test_a_capacity_error_means_the_bytes_really_do_not_fit_at_some_moment(build):
    """For SBUF, where a lower bound is the sum alive: with at least a third spare, an arrangement is always found."""
    allocation = allocate(build.program, TRN2)
    lives = live_ranges(flatten(build.program))
    worst = 0
    for position in range(len(build.program)):
        alive = [t for t in build.program.tensors if t.space == "sbuf" and t.index in lives]
        worst = max(
            worst, sum(t.bytes_per_partition for t in alive if lives[t.index].first <= position <= lives[t.index].last)
        )
    refused = any(d.code == "capacity" and "sbuf" in d.message for d in allocation.diagnostics)
    if worst > 212984:
        assert refused
    if worst < 140000:
        assert not refused
    assert allocation.peaks["sbuf"].bytes == worst


def test_successive_buffers_of_a_loop_rotate_through_free_room():
    build = Build()
    x = build.input(128, 512)
    tiles = []
    for _ in range(30):
        tile = build.sbuf(128, 512)
        build.copy(tile, x)
        build.copy(x, tile)
        tiles.append(tile)
    placed = allocate(build.program, TRN2).placement
    starts = [placed[t.index][1] for t in tiles]
    assert len(set(starts)) == 30, "212,984 bytes hold 30 tiles of 2,048 bytes"
    assert all(placed[t.index][0] == 0 and placed[t.index][1] % 64 == 0 for t in tiles)


def test_accumulators_take_one_bank_after_the_other():
    build = Build()
    a = build.sbuf(128, 128)
    build.memset(a, 1.0)
    banks = []
    for _ in range(9):
        acc = build.psum(128, 64)
        build.matmul(acc, a, part(a, columns=slice(0, 64)))
        build.copy(a, part(acc, columns=slice(0, 1)))
        banks.append(acc)
    placed = allocate(build.program, TRN2).placement
    assert [placed[t.index][1] for t in banks] == [2048 * i for i in range(8)] + [0]


def test_more_live_accumulators_than_banks_share_banks_rather_than_fail():
    build = Build()
    a = build.sbuf(128, 128)
    build.memset(a, 1.0)
    accs = [build.psum(128, 64) for _ in range(16)]
    for acc in accs:
        build.matmul(acc, a, part(a, columns=slice(0, 64)))
    for acc in accs:
        build.copy(part(a, columns=slice(0, 64)), acc)
    allocation = allocate(build.program, TRN2)
    assert allocation.diagnostics == []
    assert overlapping(allocation, build.program.tensors) == []


def test_fragmentation_alone_is_no_reason_to_refuse():
    """Next fit leaves holes here; a tighter strategy must be tried before anything is refused."""
    build = Build()
    small = [build.sbuf(128, 40000, dtype=uint8) for _ in range(5)]
    for tile in small:
        build.memset(tile, 1.0)
    for tile in small[0::2]:
        build.copy(small[1], tile)
    large = build.sbuf(128, 120000, dtype=uint8)
    build.memset(large, 1.0)
    build.copy(small[1], small[3])
    build.copy(small[1], large)
    allocation = allocate(build.program, TRN2)
    assert allocation.diagnostics == []
    assert overlapping(allocation, build.program.tensors) == []


def test_kernel_addresses_are_kept_and_avoided():
    build = Build()
    pinned = build.sbuf(64, 1000, dtype=uint8, address=(32, 100))
    build.memset(pinned, 1.0)
    free = [build.sbuf(128, 100, dtype=uint8) for _ in range(3)]
    for tile in free:
        build.memset(tile, 1.0)
    build.copy(free[0], free[1])
    build.copy(free[0], free[2])
    build.copy(part(pinned, columns=slice(0, 100)), part(free[0], rows=slice(0, 64)))
    allocation = allocate(build.program, TRN2)
    assert allocation.placement[pinned.index] == (32, 100)
    assert overlapping(allocation, build.program.tensors) == []


def test_bytes_of_a_kernel_address_are_free_before_and_after_its_life():
    build = Build()
    first = build.sbuf(128, 200000, dtype=uint8)
    build.memset(first, 1.0)
    build.copy(first, first)
    pinned = build.sbuf(128, 200000, dtype=uint8, address=(0, 0))
    build.memset(pinned, 1.0)
    build.copy(pinned, pinned)
    allocation = allocate(build.program, TRN2)
    assert allocation.diagnostics == []


def test_separate_storage_never_shares_and_has_no_bound():
    build = Build()
    for _ in range(3):
        tile = build.sbuf(128, 200000, dtype=uint8, address=(0, 0))
        build.memset(tile, 1.0)
        build.copy(tile, tile)
    allocation = allocate(build.program, TRN2, separate=True)
    starts = sorted(place[1] for place in allocation.placement.values())
    assert all(b - a >= 200000 for a, b in pairwise(starts))
    assert allocation.diagnostics == [] and allocation.separate
    assert allocation.extent_bytes["sbuf"] == starts[-1] + 200000


def test_the_capacity_error_lists_who_is_alive_largest_first():
    build = Build()
    tiles = [build.sbuf(128, 10000 + i, dtype=uint8, name=f"t{i}") for i in range(30)]
    for tile in tiles:
        build.memset(tile, 1.0)
    for tile in tiles:
        build.copy(part(tiles[0], columns=slice(0, 1)), part(tile, columns=slice(0, 1)))
    (error,) = allocate(build.program, TRN2).diagnostics
    total = sum(10000 + i for i in range(30))
    assert error.code == "capacity" and error.severity == "error"
    assert error.message == (
        f"sbuf is full: the 30 tensors alive together here need {total} bytes per partition; trn2 has 212984 usable"
    )
    assert error.label == "10029 bytes per partition: `t29` [128, 10029] uint8 in sbuf"
    assert len(error.related) == 7
    assert error.related[0][1] == "10028 bytes per partition: `t28` [128, 10028] uint8 in sbuf"
    assert error.related[6][1].endswith("; and 22 more tensors, 220231 bytes per partition together")
    assert error.span is not None and error.span.file == __file__
    assert "212984 bytes" in error.facts[0]


def test_a_tensor_larger_than_the_memory_is_told_how_wide_it_may_be():
    build = Build()
    tile = build.sbuf(128, 150000, dtype=bfloat16, name="wide")
    build.memset(tile, 1.0)
    (error,) = allocate(build.program, TRN2).diagnostics
    assert (
        error.message
        == "`wide` [128, 150000] bfloat16 in sbuf needs 300000 bytes per partition; trn2 has 212984 usable"
    )
    assert "at most 106492 bfloat16 elements per partition" in error.fix


def test_the_same_program_fits_the_larger_memory_of_trn3():
    build = Build()
    tile = build.sbuf(128, 240000, dtype=uint8)
    build.memset(tile, 1.0)
    assert allocate(build.program, load("trn1")).diagnostics
    assert allocate(build.program, TRN2).diagnostics
    assert not allocate(build.program, load("trn3")).diagnostics


# -- liveness ----------------------------------------------------------------------------------------------------------


def test_a_tensor_lives_from_first_to_last_access():
    build = Build()
    a, b = build.sbuf(128, 8), build.sbuf(128, 8)
    unused = build.sbuf(128, 8)
    build.memset(a)
    build.memset(b)
    build.copy(b, a)
    build.memset(b)
    lives = live_ranges(flatten(build.program))
    assert lives == {a.index: Life(0, 2), b.index: Life(1, 3)}
    assert unused.index not in lives


def test_a_tensor_used_inside_a_loop_lives_through_all_of_it():
    build = Build()
    outside, other = build.sbuf(128, 8), build.sbuf(128, 8)
    build.memset(outside)
    with build.loop(4):
        build.memset(other)
        inside = build.sbuf(128, 8)
        build.copy(inside, outside)
        build.memset(other)
    lives = live_ranges(flatten(build.program))
    assert lives[outside.index] == Life(0, 3)
    assert lives[inside.index] == Life(2, 2)
    assert lives[other.index] == Life(1, 3), "allocated before the loop"


def test_allocated_first_in_a_body_or_just_before_the_loop():
    build = Build()
    before = build.sbuf(128, 8)
    with build.loop(4):
        first = build.sbuf(128, 8)
        build.memset(first)
        build.copy(before, first)
        build.memset(first)
        build.memset(first)
    lives = live_ranges(flatten(build.program))
    assert lives[before.index] == Life(0, 3)
    assert lives[first.index] == Life(0, 3)
    flat = flatten(build.program)
    assert flat.home(before) == -1 and flat.home(first) == 0


def test_a_value_carried_to_the_next_pass_keeps_its_bytes():
    build = Build()
    sink = build.sbuf(128, 8)
    with build.loop(4):
        build.memset(sink)
        carried = build.sbuf(128, 8)
        build.copy(sink, carried)
        build.memset(carried)
        build.memset(sink)
        own = build.sbuf(128, 8)
        build.memset(part(own, columns=slice(0, 4)))
        build.memset(part(own, columns=slice(4, 8)))
        build.copy(sink, own)
    lives = live_ranges(flatten(build.program))
    assert lives[carried.index] == Life(0, 6), "read before it is written"
    assert lives[own.index] == Life(4, 6), "written whole, in two parts, before it is read"


def test_nested_loops_extend_to_the_outermost_that_does_not_allocate():
    build = Build()
    outer = build.sbuf(128, 8)
    with build.loop(2):
        build.memset(outer)
        middle = build.sbuf(128, 8)
        with build.loop(2):
            build.memset(middle)
            build.memset(outer)
        build.memset(outer)
    lives = live_ranges(flatten(build.program))
    assert lives[middle.index] == Life(1, 2)
    assert lives[outer.index] == Life(0, 3)


# -- packing -----------------------------------------------------------------------------------------------------------

blocks = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 15), st.integers(1, 40), st.sampled_from((1, 4, 16))), max_size=12
)


@settings(max_examples=200, deadline=None)
@given(blocks, st.sampled_from(("rotate", "lowest", "ends", "by_size")), st.sampled_from((0, 32)), st.integers(0, 60))
def test_every_strategy_gives_legal_offsets(entries, strategy, bank, pin):
    todo = [
        Block(key=i, first=first, last=first + length, size=size, align=align, bank=bank)
        for i, (first, length, size, align) in enumerate(entries)
    ]
    pinned = [Pinned(first=5, last=20, start=pin, stop=pin + 10)]
    offsets = pack(todo, 128, pinned, (strategy,))
    if offsets is None:
        return
    for block in todo:
        at = offsets[block.key]
        assert 0 <= at <= 128 - block.size and at % block.align == 0
        if bank and block.size <= bank:
            assert at // bank == (at + block.size - 1) // bank
        if block.first <= 20 and block.last >= 5:
            assert at + block.size <= pin or at >= pin + 10
        for other in todo[: block.key]:
            if other.first <= block.last and block.first <= other.last:
                there = offsets[other.key]
                assert at + block.size <= there or there + other.size <= at


def test_float32_rows_fill_the_memory_to_the_last_byte():
    build = Build()
    a, b = build.sbuf(128, 26623, dtype=float32), build.sbuf(128, 26623, dtype=float32)
    build.memset(a)
    build.memset(b)
    build.copy(a, b)
    assert allocate(build.program, TRN2).diagnostics == [], "2 x 106,492 bytes are exactly 212,984"
