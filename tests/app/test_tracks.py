"""Tracks, pyramids, tallies and windows against brute force: busy time is conserved, moves stay within the run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.profiler.app.drawing import BOX_CELLS, SHADES, WAITING, box, paint, paint_waits
from nki_sim.profiler.app.tally import LEAST_BLOCK, Tally
from nki_sim.profiler.app.tracks import Longest, Track, Union
from nki_sim.profiler.app.window import SMALLEST_SPAN_NS, Window

intervals = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60)), max_size=40)


def track_of(pairs: list[tuple[int, int]]) -> Track:
    ordered = sorted(pairs)
    start = np.array([float(s) for s, _ in ordered])
    return Track(start, start + np.array([float(n) for _, n in ordered]))


def covered_seconds(pairs: list[tuple[int, int]]) -> set[int]:
    return {second for start, length in pairs for second in range(start, start + length)}


@given(intervals, st.integers(0, 400), st.integers(1, 200), st.integers(1, 50))
def test_cells_add_up_to_the_busy_time_of_the_window(
    pairs: list[tuple[int, int]], low: int, length: int, cells: int
) -> None:
    union = track_of(pairs).union
    edges = np.linspace(low, low + length, cells + 1)
    busy = len(covered_seconds(pairs) & set(range(low, low + length)))
    assert float((union.shares(edges) * np.diff(edges)).sum()) == pytest.approx(busy, abs=1e-4)
    assert union.between(low, low + length) == pytest.approx(busy)


@given(intervals, st.integers(1, 6))
def test_coarser_cells_show_the_mean_of_finer_ones(pairs: list[tuple[int, int]], cells: int) -> None:
    union = track_of(pairs).union
    fine = union.shares(np.linspace(0, 480, 4 * cells + 1))
    coarse = union.shares(np.linspace(0, 480, cells + 1))
    assert fine.reshape(cells, 4).mean(axis=1) == pytest.approx(coarse, abs=1e-5)


@given(intervals, st.integers(0, 450), st.integers(1, 40))
def test_a_picked_interval_reaches_into_its_cell(pairs: list[tuple[int, int]], low: int, length: int) -> None:
    track = track_of([pair for pair in pairs if pair[1]])
    position = track.pick(low, low + length)
    if position is None:
        # With nothing overlapping it is found whenever it is there; nothing may start in the cell in any case.
        assert not ((track.start >= low) & (track.start < low + length)).any()
    else:
        assert track.start[position] < low + length and track.end[position] > low


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=40), st.integers(1, 60))
def test_every_wide_interval_of_a_lane_is_found(gaps: list[tuple[int, int]], cells: int) -> None:
    now, pairs = 0, []
    for gap, length in gaps:
        pairs.append((now + gap, length))
        now += gap + length
    track = track_of(pairs)
    edges = np.linspace(0, max(now, 1), cells + 1)
    wide = {i for i in range(len(track)) if track.end[i] - track.start[i] >= 3 * (edges[1] - edges[0]) - 1e-9}
    assert set(track.wide(edges, 3).tolist()) ^ wide <= {
        i for i in wide if abs(track.end[i] - track.start[i] - 3 * (edges[1] - edges[0])) < 1e-6
    }


@given(st.lists(st.integers(0, 9), max_size=70), st.integers(0, 75), st.integers(0, 10))
def test_the_pyramid_finds_what_a_scan_finds(values: list[int], index: int, least: int) -> None:
    pyramid = Longest(np.array(values, np.float64))
    after = [i for i in range(index, len(values)) if values[i] >= least]
    before = [i for i in range(min(index, len(values) - 1) + 1) if values[i] >= least]
    assert pyramid.next(index, least) == (after[0] if after else None)
    assert pyramid.previous(index, least) == (before[-1] if before else None)


@given(st.integers(0, 3 * LEAST_BLOCK), st.integers(0, 3 * LEAST_BLOCK), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_tallies_add_up_any_stretch(one: int, other: int, random: object) -> None:
    generator = np.random.default_rng(one * 7919 + other)
    group = generator.integers(0, 5, 3 * LEAST_BLOCK - 100)
    weight = generator.integers(0, 100, len(group)).astype(np.float64)
    low, high = (min(value, len(group)) for value in sorted((one, other)))
    expected = np.bincount(group[low:high], weight[low:high], minlength=5)
    assert Tally(group, weight, 5).within(low, high) == pytest.approx(expected)


def test_boxes_and_waits_in_characters() -> None:
    track = track_of([(0, 10), (20, 80), (140, 4)])
    edges = np.linspace(0, 160, 17)
    cells = paint(track, edges, lambda position: f"op {position}")
    assert "".join(cells) == "█ [op_1==]    ▒ "
    waits = track_of([(10, 10), (100, 40)])
    paint_waits(cells, waits, np.array([1, 2]), edges, " ab")
    assert "".join(cells) == "█a[op_1==]b···▒ "


@given(intervals, st.integers(1, 60))
def test_every_cell_is_one_known_character(pairs: list[tuple[int, int]], cells: int) -> None:
    track = track_of(pairs)
    painted = paint(track, np.linspace(0, 460, cells + 1), lambda position: "x" * position)
    assert len(painted) == cells
    assert set("".join(painted)) <= set(SHADES + "[]=x" + WAITING)


def test_a_box_keeps_its_width_and_leaves_cut_ends_open() -> None:
    assert "".join(box("tensor copy", BOX_CELLS)) == "[t]"
    assert "".join(box("copy", 8)) == "[copy==]"
    assert "".join(box("copy", 8, True, False)) == "copy===]"
    assert "".join(box("copy", 6, True, True)) == "copy=="


def test_nothing_is_covered_by_nothing() -> None:
    empty = Union(np.empty(0), np.empty(0))
    assert empty.between(0.0, 10.0) == 0.0
    assert Track(np.empty(0), np.empty(0)).pick(0.0, 1.0) is None


# -- windows ----------------------------------------------------------------------------------------------------------

moves = st.lists(
    st.one_of(
        st.tuples(st.just("pan"), st.floats(-2000, 2000)),
        st.tuples(st.just("zoom"), st.sampled_from([0.5, 2.0, 3.0, 1000.0, 0.001])),
        st.tuples(st.just("step"), st.integers(-90, 90)),
        st.tuples(st.just("cursor"), st.floats(-100, 5000)),
        st.tuples(st.just("frame"), st.floats(0, 4000)),
        st.tuples(st.just("cells"), st.integers(1, 200)),
    ),
    max_size=12,
)


def moved(window: Window, move: tuple[str, float]) -> Window:
    name, value = move
    if name == "pan":
        return window.panned(value)
    if name == "zoom":
        return window.zoomed(value)
    if name == "step":
        return window.stepped(int(value))
    if name == "cursor":
        return window.with_cursor(value)
    if name == "cells":
        return window.resized(int(value))
    return window.framed(value, value + 37.0, 0.5)


@given(st.floats(0, 4000), st.integers(1, 120), moves)
def test_no_move_leaves_the_run(total: float, cells: int, path: list[tuple[str, float]]) -> None:
    window = Window.whole(total, cells)
    for move in path:
        window = moved(window, move)
        assert window.start_ns >= 0 and window.end_ns <= window.total_ns * (1 + 1e-9)
        assert min(SMALLEST_SPAN_NS, window.total_ns) * (1 - 1e-9) <= window.span_ns <= window.total_ns
        assert window.start_ns - 1e-6 <= window.cursor_ns <= window.end_ns + 1e-6
        assert 0 <= window.cursor_cell < window.cells
        assert len(window.edges) == window.cells + 1


@given(st.floats(100, 900), st.integers(10, 100))
def test_zooming_in_and_out_comes_back(cursor: float, cells: int) -> None:
    window = Window.whole(1000.0, cells).zoomed(4.0).with_cursor(cursor)
    near = window.zoomed(2.0)
    assert near.cursor_ns == window.cursor_ns
    assert (near.cursor_ns - near.start_ns) / near.span_ns == pytest.approx(
        (window.cursor_ns - window.start_ns) / window.span_ns, abs=1e-6
    )
    back = near.zoomed(0.5)
    assert (back.start_ns, back.span_ns) == pytest.approx((window.start_ns, window.span_ns), abs=1e-6)


@given(st.floats(-100, 100))
def test_panning_there_and_back_comes_back(time: float) -> None:
    window = Window.whole(1000.0, 50).with_cursor(500.0).zoomed(4.0)
    back = window.panned(time).panned(-time)
    assert back.start_ns == pytest.approx(window.start_ns) and back.cursor_ns == pytest.approx(window.cursor_ns)


@given(st.integers(-40, 40))
def test_steps_move_the_cursor_by_cells(cells: int) -> None:
    window = Window.whole(1000.0, 100).with_cursor(505.0)
    assert window.stepped(cells).cursor_cell == 50 + cells
    assert window.stepped(cells).start_ns == 0.0
