"""Run, regions, search, links, memory and the state's commands, on a run with simple times."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.profiler.app import jumps
from nki_sim.profiler.app.graph import Graph
from nki_sim.profiler.app.inspector import Charges
from nki_sim.profiler.app.lanes import lane_lines
from nki_sim.profiler.app.memory import MemoryView
from nki_sim.profiler.app.model import STALL_LETTERS, Run, stall_letters
from nki_sim.profiler.app.region import summarise
from nki_sim.profiler.app.search import SearchIndex
from nki_sim.profiler.app.state import PANES, State
from nki_sim.profiler.app.text import columns, fit, plain, wrap
from nki_sim.profiler.charged_terms import phases_of
from nki_sim.timing.lanes import ENGINES, STALLS, TRANSFER
from nki_sim.timing.timeline import busy_ns
from tests.app.fixed import fixed_profile


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(fixed_profile(4)).prepare()


@pytest.fixture
def state(run: Run) -> State:
    return State([run], cells=64)


# -- the run ----------------------------------------------------------------------------------------------------------


def test_every_row_is_on_one_lane(run: Run) -> None:
    rows = np.concatenate([lane.rows for lane in run.lanes])
    assert sorted(rows.tolist()) == list(range(len(run.timeline.rows)))
    for number, lane in enumerate(run.lanes):
        assert (np.diff(lane.track.start) >= 0).all()
        for position in (0, len(lane.rows) - 1):
            row = run.row_at(number, position)
            assert (run.lane_of_row[row], run.position_of_row[row]) == (number, position)


def test_lanes_are_the_engines_used_and_one_per_queue(run: Run) -> None:
    names = [lane.name for lane in run.lanes]
    assert names == ["tensor", "vector", "scalar", "gpsimd", "sync", "q gpsimd sw", "q sync hw"]


def test_busy_time_is_that_of_the_profile(run: Run) -> None:
    for lane in run.lanes:
        if not lane.is_queue:
            assert lane.track.union.between(0, run.total_ns) == pytest.approx(run.profile.engines[lane.name].busy_ns)


def test_bytes_add_up_to_the_metrics(run: Run) -> None:
    metrics = run.profile.metrics
    assert sum(int(lane.read[-1]) for lane in run.lanes) == metrics.hbm_read_bytes
    assert sum(int(lane.written[-1]) for lane in run.lanes) == metrics.hbm_write_bytes
    assert sum(int(lane.moved[-1]) for lane in run.lanes) == metrics.dma_bytes


def test_each_cause_has_a_letter_of_its_own() -> None:
    letters = [STALL_LETTERS[cause] for cause in STALLS[1:]]
    assert len(set(letters)) == len(letters) and all(letter.islower() for letter in letters)
    made = stall_letters(("none", "tensor", "tensor twice", "dma load"))
    assert made["tensor twice"] not in ("t", "l") and made["tensor twice"].isalpha()


# -- links ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 30), max_size=3), max_size=12))
def test_links_are_the_same_from_both_ends(raw: list[list[int]]) -> None:
    waits = [tuple(code for code in sorted(set(codes)) if code >> 1 < n) for n, codes in enumerate(raw)]
    graph = Graph(waits)
    forward = {(code >> 1, n, bool(code & 1)) for n, codes in enumerate(waits) for code in codes}
    assert forward == {(link.instance, n, link.reuse) for n in range(len(waits)) for link in graph.predecessors(n)}
    assert forward == {
        (n, link.instance, link.reuse) for n in range(len(waits)) for link in graph.successors(n, limit=100)
    }
    assert sum(graph.successor_count(n) for n in range(len(waits))) == len(forward)


def test_no_row_starts_before_what_it_waited_for_ends(run: Run, state: State) -> None:
    rows = run.timeline.rows
    for number, place in enumerate(state.places):
        for position in range(len(run.lanes[place.lane].rows)):
            state.select(position, number)
            one = state.selected
            assert one is not None and one.position == position
            if rows["kind"][one.row] != TRANSFER:
                assert all(rows["end_ns"][p] <= rows["start_ns"][one.row] + 1e-6 for p in state.predecessor_rows(one))


# -- regions ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_neighbouring_regions_add_up_to_the_whole(run: Run, cuts: list[float]) -> None:
    edges = [0.0, *sorted(cut * run.total_ns for cut in cuts), run.total_ns + 1.0]
    parts = [summarise(run, low, high, 1000) for low, high in pairwise(edges)]
    whole = summarise(run, edges[0], edges[-1], 1000)
    for number, lane in enumerate(whole.lanes):
        own = [part.lanes[number] for part in parts]
        assert sum(one.busy_ns for one in own) == pytest.approx(lane.busy_ns)
        assert sum(one.started for one in own) == lane.started == len(run.lanes[number].rows)
        assert sum(one.moved_bytes for one in own) == lane.moved_bytes
        assert sum(sum(one.waited_ns.values()) for one in own) == pytest.approx(sum(lane.waited_ns.values()))


def test_the_whole_region_is_the_profile(run: Run) -> None:
    whole = summarise(run, 0.0, run.total_ns + 1.0)
    rows = run.timeline.rows
    for number, lane in enumerate(whole.lanes[:5]):
        assert lane.busy_ns == pytest.approx(busy_ns(rows[rows["lane"] == number]))
    hottest = run.profile.lines[0]
    assert whole.lines[0].span == hottest.span
    assert whole.lines[0].busy_ns == pytest.approx(hottest.longest_ns)


# -- search -----------------------------------------------------------------------------------------------------------


def test_queries(run: Run) -> None:
    index = SearchIndex(run)
    rows, instructions = run.timeline.rows, run.timeline.instructions

    def ops(query: str) -> set[str]:
        return {instructions[int(rows["instruction"][row])].op for row in index.find(query).rows}

    assert ops("matmul") == ops("op:nc_matmul") == {"nc_matmul"}
    assert ops("EXP") == {"activation"}
    assert ops("tensor:weights") == {"dma_copy", "nc_matmul"}
    assert ops("result") == {"dma_copy"}
    span = run.span(2)
    assert span is not None and instructions[2].op == "nc_matmul"
    assert ops(f":{span.line}") == ops(f"fixed.py:{span.line}") == ops(f"line:{span.line}") == {"nc_matmul"}
    assert {int(rows["instruction"][row]) for row in index.find("#2").rows} == {2}
    for nothing in ("", "  ", "no such thing", ":99999", "#99999", "elsewhere.py:3", "tensor:"):
        assert not len(index.find(nothing).rows)
    hits = index.find("dma").rows
    assert (np.diff(rows["start_ns"][hits]) >= 0).all()


def test_hits_go_round(state: State, run: Run) -> None:
    state.search("tensor_copy")
    count = len(state.found[0].rows)
    assert count == 4 and state.message == f"tensor_copy: 1 of {count}"
    seen = []
    for _ in range(count):
        assert state.selected is not None
        seen.append(state.selected.row)
        state.hit(1)
    assert seen == state.found[0].rows.tolist() and state.selected is not None and state.selected.row == seen[0]
    state.hit(-1)
    assert state.selected.row == seen[-1]
    state.clear()
    state.hit(1)
    assert "/ searches" in state.message
    state.search("nonsense")
    assert "no instruction matches" in state.message


# -- commands ---------------------------------------------------------------------------------------------------------


def test_the_cursor_begins_on_the_first_instruction(state: State, run: Run) -> None:
    assert state.selected is not None
    assert run.timeline.rows["start_ns"][state.selected.row] == 0.0


def test_neighbours_walk_the_lane_in_order(state: State) -> None:
    lane = state.lane
    assert lane is not None
    for position in range(1, len(lane.rows)):
        state.neighbour(1)
        assert state.selected is not None and state.selected.position == position
        assert state.window.shows(float(lane.track.start[position]))
    state.neighbour(1)
    assert "no further instruction" in state.message
    state.neighbour(-1)
    assert state.selected is not None and state.selected.position == len(lane.rows) - 2


@pytest.mark.parametrize("everywhere", [False, True])
def test_stalls_are_visited_once_each_and_back(state: State, run: Run, everywhere: bool) -> None:
    rows = run.timeline.rows
    state.current = next(n for n, place in enumerate(state.places) if run.lanes[place.lane].name == "tensor")
    state.window = state.window.with_cursor(0.0)
    state.chosen = 0
    first = state.selected
    seen: list[float] = []
    for _ in range(200):
        state.message = ""
        jumps.stall(state, 1, everywhere=everywhere)
        if state.message.startswith("no "):
            break
        assert state.selected is not None
        row = rows[state.selected.row]
        assert row["stall"] > 0 and row["stall_ns"] >= state.window.cell_ns / 2
        seen.append(float(row["start_ns"]))
    assert seen == sorted(set(seen)) and len(seen) > 2
    long = (rows["stall"] > 0) & (rows["stall_ns"] >= state.window.cell_ns / 2)
    long &= rows["start_ns"] > run.timeline.rows["start_ns"][first.row if first else 0]
    expected = rows["start_ns"][long & ((rows["lane"] == 0) | everywhere)]
    assert seen == sorted(set(expected.tolist()))
    jumps.stall(state, -1, everywhere=everywhere)
    assert state.selected is not None and rows["start_ns"][state.selected.row] == seen[-2]


def test_following_and_coming_back(state: State, run: Run) -> None:
    state.search("tensor_copy")
    copy = state.selected
    assert copy is not None
    jumps.follow(state, False)
    assert state.selected is not None and run.label(state.selected.row) == "matmul"
    jumps.follow(state, True)
    assert state.selected is not None and state.selected.row == copy.row
    state.back()
    state.back()
    assert state.selected is not None and state.selected.row == copy.row
    while "no jump" not in state.message:
        state.back()


def test_a_transfer_leads_to_its_trigger(state: State, run: Run) -> None:
    state.search("weights")
    state.current = next(n for n, place in enumerate(state.places) if run.lanes[place.lane].is_queue)
    state.select(0)
    transfer = state.selected
    assert transfer is not None
    jumps.follow(state, False)
    assert state.selected is not None and run.label(state.selected.row) == "trigger"
    assert state.selected.instance == transfer.instance
    jumps.follow(state, True)
    assert state.selected is not None and state.selected.row == transfer.row


def test_zooming_keeps_what_is_selected(state: State) -> None:
    state.search("tensor_copy")
    one = state.selected
    for factor in (2.0, 2.0, 8.0, 0.5, 0.01):
        state.zoom(factor)
        assert state.selected is not None and one is not None and state.selected.row == one.row
    state.frame()
    assert one is not None and state.window.span_ns == pytest.approx(3 * 300.0)
    state.whole()
    assert state.window.zoom == 1.0 and state.selected is not None and state.selected.row == one.row


def test_a_region_follows_is_kept_zoomed_to_and_dropped(state: State) -> None:
    state.step(5)
    state.toggle_mark()
    low, high = state.cursor_edges
    state.step(10)
    region = state.region
    assert region is not None and region[0] == low and region[1] == pytest.approx(high + 10 * state.window.cell_ns)
    state.toggle_mark()
    state.step(20)
    assert state.region == region and PANES[state.pane] == "region"
    state.frame()
    assert (state.window.start_ns, state.window.end_ns) == pytest.approx(region)
    state.clear()
    assert state.region is None


@given(st.integers(1, 130), st.integers(1, 60), st.lists(st.integers(0, 16), max_size=10))
def test_lines_have_the_screen_s_size_whatever_was_done(run: Run, cells: int, lines: int, keys: list[int]) -> None:
    state = State([run], cells=cells)
    commands = [
        lambda: state.step(3), lambda: state.step(-9), lambda: state.pan(0.5), lambda: state.pan(-0.5),
        state.home, state.end, lambda: state.move_lane(1), lambda: state.move_lane(-1), lambda: state.zoom(2.0),
        lambda: state.zoom(0.5), state.whole, state.frame, lambda: state.neighbour(1), lambda: state.neighbour(-1),
        lambda: jumps.stall(state, 1), state.toggle_mark, lambda: jumps.follow(state, True),
    ]  # fmt: skip
    for key in keys:
        commands[key]()
    found = lane_lines(state, cells + 16, lines)
    assert len(found) == 3 + min(max(1, lines - 3), len(state.places))
    assert {len(plain(one)) for one in found} == {cells + 16}


# -- charges, memory, comparison --------------------------------------------------------------------------------------


def test_an_instruction_alone_is_charged_as_in_its_run(run: Run) -> None:
    charges = Charges()
    placement = run.profile.allocation.placement if run.profile.allocation else None
    for number, instruction in enumerate(run.timeline.instructions[:8]):
        assert charges.known(run, number) is None or number > 0
        phases = charges.compute(run, number)
        expected = phases_of(run.timeline, instruction, placement)
        assert [(p.name, p.value_ns) for p in phases] == [(p.name, pytest.approx(p.value_ns)) for p in expected]
        assert all(term.source for phase in phases for term in phase.terms)
        assert charges.known(run, number) is phases


@pytest.mark.parametrize("space", ["sbuf", "psum"])
@pytest.mark.parametrize("bands", [1, 7, 16])
def test_the_memory_grid_is_the_map_s(run: Run, space: str, bands: int) -> None:
    found = run.memory[space]
    view = MemoryView(found)
    edges = np.linspace(0, run.total_ns, 41)
    made = view.bands(bands)
    assert len(made) <= bands and made[0].size * len(made) >= view.extent_bytes
    grid = np.clip(found.grid(len(made), 40, int(made[0].size * len(made))), 0.0, 1.0)
    for number, band in enumerate(made):
        assert band.shares(edges) == pytest.approx(grid[number], abs=1e-5)


def test_tensors_alive_are_found_without_a_scan(run: Run) -> None:
    found = run.memory["sbuf"]
    view = MemoryView(found)
    for time in np.linspace(0, run.total_ns, 50):
        expected = {id(one) for one in found.alive_at(float(time))}
        assert {id(one) for one in view.alive_at(float(time), 1000)} == expected


def test_two_runs_share_lanes_by_name() -> None:
    a, b = Run(fixed_profile(2), "A"), Run(fixed_profile(2, slower=2.0), "B")
    state = State([a, b], cells=60)
    names = [(place.run, state.runs[place.run].lanes[place.lane].name) for place in state.places]
    assert [run for run, _ in names] == [0, 1] * (len(names) // 2)
    assert all(one[1] == other[1] for one, other in zip(names[::2], names[1::2], strict=True))
    assert state.window.total_ns == b.total_ns


# -- text -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text("aß界 ", max_size=9), st.just("bold")), max_size=4), st.integers(1, 30))
def test_fit_gives_the_width_asked_for(pieces: list[tuple[str, str]], width: int) -> None:
    from rich.cells import cell_len

    assert cell_len(plain(fit(pieces, width))) == width


def test_wrapped_and_aligned() -> None:
    assert [plain(one) for one in wrap("one two three", 9, "  ", "- ")] == ["- one two", "  three"]
    assert [plain(one) for one in wrap("takes 12 % of 3 µs", 8)] == ["takes", "12 % of", "3 µs"]
    assert columns([("a", "10"), ("bcd", "9")], right=(1,)) == ["a    10", "bcd   9"]
    assert columns([]) == []


def test_engines_come_before_queues(run: Run) -> None:
    kinds = [lane.is_queue for lane in run.lanes]
    assert kinds == sorted(kinds) and kinds.count(False) <= ENGINES
