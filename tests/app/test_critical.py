"""The critical path in the app: its steps, its marks on the lanes, its pane, against the path and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.profiler.app import jumps
from nki_sim.profiler.app.critical import WAIT, WORK
from nki_sim.profiler.app.lanes import lane_lines
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.path import on_path, path_pane
from nki_sim.profiler.app.state import PANES, State
from nki_sim.profiler.app.text import plain
from nki_sim.profiler.critical_path import BUSY
from tests.app.fixed import fixed_profile


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(fixed_profile(3)).prepare()


@pytest.fixture
def state(run: Run) -> State:
    return State([run], cells=64)


def test_the_steps_are_the_path_cut_where_rows_change(run: Run) -> None:
    segments = run.profile.critical_path.segments
    steps = [run.critical.step(number) for number in range(len(run.critical))]
    assert sum(step.length_ns for step in steps) == pytest.approx(run.total_ns)
    assert [part for step in steps for part in step.parts] == [(one.cause, one.length_ns) for one in segments]
    assert all(one.row != other.row for one, other in itertools.pairwise(steps))
    for number, step in enumerate(steps):
        assert run.critical.number_of(step.row) == number
        assert run.critical.at((step.start_ns + step.end_ns) / 2) == number
    off = set(range(len(run.timeline.rows))) - {step.row for step in steps}
    assert off and all(run.critical.number_of(row) is None for row in off)
    assert {on_path(run, row) for row in off} == {"not on the critical path"}


@given(st.integers(1, 90), st.floats(0, 0.9), st.floats(0.01, 1))
def test_each_cell_is_marked_on_the_lane_the_path_spends_most_of_it_on(
    run: Run, cells: int, start: float, span: float
) -> None:
    edges = np.linspace(start * run.total_ns, min(1.0, start + span) * run.total_ns, cells + 1)
    marked = {
        (cell, lane, mark) for lane, marks in run.critical.marks(run, edges).items() for cell, mark in marks.items()
    }
    # The path has no gap, so a cell has exactly one mark.
    assert sorted(cell for cell, _, _ in marked) == list(range(cells))
    spent: dict[tuple[int, int, str], float] = {}
    for one in run.profile.critical_path.segments:
        for cell in range(cells):
            length = min(one.end_ns, edges[cell + 1]) - max(one.start_ns, edges[cell])
            if length > 0:
                key = (cell, int(run.lane_of_row[one.row]), WORK if one.cause == BUSY else WAIT)
                spent[key] = spent.get(key, 0.0) + length
    for cell, lane, mark in marked:
        most = max(value for key, value in spent.items() if key[0] == cell)
        assert spent[cell, lane, mark] == pytest.approx(most, rel=1e-3, abs=1e-3)


def test_rows_of_a_share_are_those_its_stretches_belong_to(run: Run) -> None:
    timeline = run.timeline
    for share in run.profile.critical_path.shares:
        expected = []
        for one in run.profile.critical_path.segments:
            known = one.instruction >= 0
            op = timeline.instructions[one.instruction].op if known else ""
            span = run.span(one.instruction) if known else None
            if (one.lane, one.cause, op, span) == (share.lane, share.cause, share.op, share.span) and one.row >= 0:
                expected.append(one.row)
        assert run.critical.rows_of(share, run).tolist() == list(dict.fromkeys(expected))


def test_going_along_the_path_visits_every_step_and_comes_back(state: State, run: Run) -> None:
    jumps.path_step(state, 1)
    assert state.path_shown and state.selected is not None
    seen = [state.selected.row]
    while True:
        state.message = ""
        jumps.path_step(state, 1)
        if state.message.startswith("no further step"):
            break
        assert f"step {run.critical.number_of(state.selected.row) + 1:,} of" in state.message  # type: ignore[operator]
        seen.append(state.selected.row)
    steps = [run.critical.step(number).row for number in range(len(run.critical))]
    assert seen == steps[-len(seen) :] and len(seen) >= len(steps) - 1
    jumps.path_step(state, -1)
    assert state.selected.row == seen[-2]


def test_from_beside_the_path_the_neighbouring_steps_are_next(state: State, run: Run) -> None:
    copies = [n for n in range(len(run.timeline.rows)) if run.critical.number_of(n) is None]
    state.jump(0, copies[-1])
    time = state.window.cursor_ns
    jumps.path_step(state, 1)
    after = state.selected
    state.back()
    jumps.path_step(state, -1)
    before = state.selected
    assert before is not None and after is not None
    numbers = [run.critical.number_of(one.row) for one in (before, after)]
    assert numbers[0] is not None and numbers[1] == numbers[0] + 1
    assert run.critical.step(numbers[0]).start_ns <= time < run.critical.step(numbers[1]).start_ns


def test_the_lanes_mark_the_path_only_while_it_is_shown(state: State) -> None:
    def marks() -> set[str]:
        return {character for line in lane_lines(state, 80, 12)[1:-2] for character in plain(line)} & {WORK, WAIT}

    assert marks() == set()
    jumps.mark_path(state)
    assert marks() == {WORK, WAIT} and "( )" in state.message
    jumps.mark_path(state)
    assert marks() == set()
    jumps.mark_path(state)
    state.clear()
    assert not state.path_shown and marks() == set()


def test_the_pane_lists_shares_then_every_step(state: State, run: Run) -> None:
    state.show(PANES.index("path"))
    content = path_pane(state, 80)
    assert content.length == len(content.lines) + len(run.critical)
    assert len(content.stretch(0, 10_000)) == content.length
    assert "= " not in plain(content.head_lines[0]) and "critical path: " in plain(content.head_lines[0])
    assert content.focus is None and content.chosen is None
    jumps.choose(state, 1, content.entries[1])
    again = path_pane(state, 80)
    assert again.chosen == 1 and again.focus == again.entries[1].line
    assert plain(again.lines[again.focus]).startswith("> ")
    share = run.profile.critical_path.shares[1]
    assert state.selected is not None and state.selected.row == run.critical.rows_of(share, run)[0]
    jumps.path_step(state, 1)
    stepped = path_pane(state, 80)
    assert stepped.focus is not None and stepped.chosen is None
    here = plain(stepped.stretch(stepped.focus, stepped.focus + 1)[0])
    number = run.timeline.rows["instruction"][state.selected.row]
    assert here.startswith("> ") and f"#{number} " in here
