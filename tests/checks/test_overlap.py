"""Clobbered reads among kernel-placed tensors, against a naive interpreter, and with their mends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.checks.overlap import check_overlap
from nki_sim.memory.accesses import flatten
from nki_sim.program.dtypes import bfloat16, float32, uint8
from tests.memory.brute import patterns
from tests.support.ir import Build, at_register, part


def found(build):
    return check_overlap(flatten(build.program))


def errors(build):
    return [d for d in found(build) if d.severity == "error"]


def absolute(pattern):
    (row, byte), size = pattern.tensor.address, pattern.dtype.itemsize
    for p, offset in pattern.element_offsets():
        for k in range(size):
            yield row + p, byte + offset * size + k


@st.composite
def programs(draw):
    build = Build()
    pool = []
    for _ in range(draw(st.integers(2, 4))):
        shape = (draw(st.integers(1, 5)), draw(st.integers(8, 24)))
        pool.append(build.sbuf(*shape, dtype=uint8, address=(draw(st.integers(0, 3)), draw(st.integers(0, 24)))))
    for _ in range(draw(st.integers(2, 10))):
        tensor = draw(st.sampled_from(pool))
        pattern = draw(patterns(tensor, max_dims=2))
        if draw(st.booleans()):
            build.memset(pattern)
        else:
            build.emit("device_print", tensor=pattern)
    return build


@settings(max_examples=250, deadline=None)
@given(programs())
def test_clobbers_are_those_of_a_naive_interpreter(build):
    last, own = {}, {}
    expected = {}
    for position, instruction in enumerate(build.program.instructions()):
        if instruction.op == "memset":
            pattern = instruction.operands["dst"]
            for place in absolute(pattern):
                last[place] = own[pattern.tensor.index, place] = position
            continue
        pattern = instruction.operands["tensor"]
        index = pattern.tensor.index
        places = list(absolute(pattern))
        if any((index, p) in own and last[p] != own[index, p] for p in places):
            expected[position] = "error"
        elif any((index, p) not in own and p in last for p in places):
            expected[position] = "note"
    # The generated reads share one source line, so the sites are told apart by taking them away.
    for instruction in build.program.instructions():
        instruction.site = -1
    seen = sorted(d.severity for d in found(build))
    assert seen == sorted(expected.values())


def two_tiles(second_address, late_read=True):
    build = Build()
    x, o = build.input(128, 512), build.output(128, 512)
    a = build.sbuf(128, 512, name="a", address=(0, 0))
    b = build.sbuf(128, 512, name="b", address=(0, second_address))
    build.copy(a, x)
    if not late_read:
        build.copy(o, a)
    build.copy(b, x)
    build.copy(o, b)
    if late_read:
        build.copy(o, a)
    return build


def test_overlapping_tensors_alive_together():
    (error,) = found(two_tiles(1024))
    assert (error.code, error.severity) == ("overlap", "error")
    assert error.message == (
        "dma_copy: src reads `a`, whose bytes `b` has overwritten: partitions 0-127, bytes 0-2047 and partitions "
        "0-127, bytes 1024-3071 overlap"
    )
    assert [text for _, text in error.related] == [
        "`a` [128, 512] float32 in sbuf is allocated here",
        "`b` [128, 512] float32 in sbuf is allocated here",
        "dma_copy: `a` is written here",
        "dma_copy: `b` overwrites it here",
    ]
    assert "give `b` an address of its own" in error.fix


def test_the_mends_of_an_overlap():
    assert found(two_tiles(2048)) == [], "another address"
    assert found(two_tiles(1024, late_read=False)) == [], "finished before"


def test_a_pool_that_hands_bytes_from_tile_to_tile_is_fine():
    build = Build()
    x, o = build.input(128, 64), build.output(128, 64)
    for i in range(12):
        tile = build.sbuf(128, 64, address=(0, 256 * (i % 3)))
        build.copy(tile, x)
        build.copy(o, tile)
    assert found(build) == []


def test_reading_through_a_second_name_is_a_note():
    build = Build()
    x, o = build.input(8, 8), build.output(8, 16, dtype=bfloat16)
    wide = build.sbuf(8, 8, name="wide", dtype=float32, address=(0, 0))
    narrow = build.sbuf(8, 16, name="narrow", dtype=bfloat16, address=(0, 0))
    build.copy(wide, x)
    build.copy(o, narrow)
    (note,) = found(build)
    assert note.severity == "note"
    assert note.message == "dma_copy: src reads bytes of `narrow` that were written through `wide`"


def test_different_partitions_do_not_overlap():
    build = Build()
    x, o = build.input(32, 8), build.output(32, 8)
    a, b = build.sbuf(32, 8, address=(0, 0)), build.sbuf(32, 8, address=(32, 0))
    build.copy(a, x)
    build.copy(b, x)
    build.copy(o, a)
    assert found(build) == []


def test_a_clobber_that_only_the_next_pass_of_a_loop_sees():
    def build_with(address):
        build = Build()
        x, o = build.input(8, 8), build.output(8, 8)
        weights = build.sbuf(8, 8, name="weights", address=(0, 0))
        scratch = build.sbuf(8, 8, name="scratch", address=address)
        build.copy(weights, x)
        with build.loop(4):
            build.copy(o, weights)
            build.copy(scratch, x)
        return build

    (error,) = found(build_with((0, 16)))
    assert "`weights`" in error.message and "`scratch`" in error.message
    assert found(build_with((0, 32))) == []


def test_a_write_at_an_unknown_offset_is_not_guessed_at():
    build = Build()
    x, o = build.input(8, 4), build.output(8, 4)
    ring = build.sbuf(8, 16, address=(0, 0))
    tile = build.sbuf(8, 4, address=(0, 48))
    register = build.register()
    build.copy(tile, x)
    build.emit("register_move", engine="sync", dst=register, src=0)
    build.copy(at_register(part(ring, columns=slice(0, 4)), register, 4, 4), x)
    build.copy(o, tile)
    assert errors(build) == []
