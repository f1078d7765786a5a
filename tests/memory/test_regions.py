"""Regions are exact: every predicate agrees with the sets of bytes written out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.memory.bytemap import ByteMap
from nki_sim.memory.regions import covers, overlaps, reach, region
from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.dtypes import float32, int32, uint8
from nki_sim.program.ir import Register
from tests.memory.brute import make_tensor, patterns, touched

SBUF = make_tensor("sbuf", 9, 80)
HBM = make_tensor("hbm", 1, 120)


def pairs(tensor):
    return st.tuples(patterns(tensor), patterns(tensor))


@settings(max_examples=300, deadline=None)
@given(st.one_of(pairs(SBUF), pairs(HBM)))
def test_overlaps_and_covers_match_the_sets_of_bytes(pair):
    a, b = pair
    left, right = touched(a), touched(b)
    assert overlaps(region(a), region(b)) == bool(left & right)
    assert covers(region(a), region(b)) == (right <= left)


@settings(max_examples=150, deadline=None)
@given(patterns(SBUF), st.integers(-40, 40))
def test_a_pattern_against_itself_moved(a, shift):
    """Equal strides take the quick path."""
    size = a.dtype.itemsize
    low, high = a.free_extent()
    moved = a.replace(offset=a.offset + max(-low, min(shift, SBUF.bytes_per_partition // size - high)))
    assert overlaps(region(a), region(moved)) == bool(touched(a) & touched(moved))


@settings(max_examples=150, deadline=None)
@given(st.one_of(patterns(SBUF), patterns(HBM)))
def test_intervals_are_the_bytes_sorted_and_disjoint(a):
    found = region(a).intervals()
    assert {byte for start, stop in found for byte in range(start, stop)} == {byte for _, byte in touched(a)}
    assert all(before[1] < after[0] for before, after in pairwise(found))


def test_placed_regions_of_different_tensors_meet_at_addresses():
    one = make_tensor("sbuf", 4, 16, index=0)
    two = make_tensor("sbuf", 4, 16, index=1)
    other = make_tensor("psum", 4, 16, index=2)
    placement = {0: (0, 0), 1: (2, 8), 2: (0, 0)}
    a, b, c = (region(t.whole(), placement) for t in (one, two, other))
    assert overlaps(a, b)
    assert not overlaps(a, c)
    assert not overlaps(region(one.whole()), region(two.whole())), "relative to different tensors"
    upper = AccessPattern(one, uint8, (0, 1, 2), 0, ((1, 16),))
    assert not overlaps(region(upper, placement), b), "partitions 0-1 against 2-5"


def test_an_empty_pattern_meets_nothing_and_is_covered_by_anything():
    nothing = AccessPattern(SBUF, uint8, (0, 1, 4), 3, ((1, 0),))
    all_bytes = region(SBUF.whole())
    assert not overlaps(region(nothing), all_bytes)
    assert covers(all_bytes, region(nothing))
    assert not covers(region(nothing), all_bytes)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 6), st.integers(0, 20))
def test_reach_of_a_dynamic_start_is_every_legal_start_that_fits(multiplier, limit, count, offset):
    register = Register(0)
    tensor = make_tensor("hbm", 1, 30)
    pattern = AccessPattern(tensor, uint8, None, offset, ((1, count),), DynamicOffset(register, multiplier, limit))
    expected = set()
    for value in range(limit):
        start = offset + value * multiplier
        if start + count <= 30:
            expected |= {(0, byte) for byte in range(start, start + count)}
    assert touched(reach(pattern)) == expected
    known = reach(pattern, {register: (1, 2, 3)})
    if offset + 4 * multiplier + count <= 30:
        starts = (offset + multiplier, offset + 4 * multiplier)
        assert touched(known) == {(0, byte) for start in starts for byte in range(start, start + count)}


def test_reach_of_gathered_rows_is_all_rows():
    tensor = make_tensor("hbm", 1, 64, dtype=float32)
    index = make_tensor("sbuf", 3, 1, dtype=int32, index=1)
    pattern = AccessPattern(tensor, float32, None, 2, ((7, 3), (1, 4)), vector=VectorOffset(index.whole(), 8, 8))
    rows = {8 * row + 2 + k for row in range(8) for k in range(4)}
    assert touched(reach(pattern)) == {(0, 4 * element + byte) for element in rows for byte in range(4)}
    assert not region(pattern).exact


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(patterns(SBUF), st.integers(0, 3)), min_size=1, max_size=6), patterns(SBUF))
def test_a_byte_map_holds_what_was_last_filled_in(fills, probe):
    cells = ByteMap(9, 80, 2)
    expected = {(p, byte): 2 for p in range(9) for byte in range(80)}
    for pattern, value in fills:
        cells.fill(pattern, value)
        expected.update(dict.fromkeys(touched(pattern), value))
    values = [expected[place] for place in touched(probe)]
    seen = cells.view(probe)
    assert set(seen.ravel().tolist()) == set(values)
    assert (seen == 0).all() == all(v == 0 for v in values)
    size = probe.dtype.itemsize
    in_order = [[expected[p, offset * size + k] for k in range(size)] for p, offset in probe.element_offsets()]
    elements = cells.elements(probe)
    assert elements.max(axis=-1).ravel().tolist() == [max(bytes_) for bytes_ in in_order]
    nonzero = sum(1 for v in expected.values() if v)
    assert cells.nonzero * cells.row_unit * cells.unit == nonzero


def test_a_byte_map_touched_whole_stays_one_cell():
    tile = make_tensor("sbuf", 128, 512, dtype=float32)
    cells = ByteMap(128, 2048, 1)
    cells.fill(tile.whole(), 0)
    assert cells.cells.size == 1
    half = AccessPattern(tile, float32, (0, 1, 128), 256, ((1, 256),))
    cells.fill(half, 1)
    assert cells.cells.tolist() == [[0, 1]]
