"""Panes of stalls, advice and memory, entries to choose from, queues unfolded: against the profile and brute force."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from nki_sim.memory.allocate import allocate
from nki_sim.profiler.advice import Advice, Advised
from nki_sim.profiler.app import jumps
from nki_sim.profiler.app.advice import Advisor, advice_pane
from nki_sim.profiler.app.app import ViewApp
from nki_sim.profiler.app.drawing import count_text, paint
from nki_sim.profiler.app.lanes import lane_label, lane_lines
from nki_sim.profiler.app.memory import MemoryView
from nki_sim.profiler.app.model import UNFOLDED, Run
from nki_sim.profiler.app.panes import Content, Entry, Reports, rendered
from nki_sim.profiler.app.region import region_pane
from nki_sim.profiler.app.source import source_pane
from nki_sim.profiler.app.stalls import stalls_pane
from nki_sim.profiler.app.state import PANES, State
from nki_sim.profiler.app.text import plain
from nki_sim.profiler.app.tracks import Level, Track, apart, most_at_once
from nki_sim.profiler.app.waits import reason
from nki_sim.profiler.app.widgets import PaneView, pane_title
from nki_sim.profiler.finding import Finding
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters import summary
from nki_sim.profiler.whatif import NotTried
from nki_sim.targets import load
from nki_sim.timing import simulate
from nki_sim.timing.lanes import STALLS, TRANSFER
from tests.app.fixed import fixed_profile
from tests.app.screens import QuietApp, screen_text, with_app
from tests.timing.building import Timed

GOLDEN = Path(__file__).parent / "golden"
SIZES = [(80, 24), (120, 40)]


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(fixed_profile(3)).prepare()


@pytest.fixture
def state(run: Run) -> State:
    return State([run], cells=64)


def advised(profile: Profile) -> Profile:
    """The profile with advice and findings of its own making, at once."""
    spans = [next(iter(profile.run.spans(number))) for number in range(3)]
    allocated = profile.program.spans(profile.program.tensors[3].site)[0]
    profile.__dict__["findings"] = [
        Finding(code="reload", message="right is loaded 2 times", lines=tuple(spans[:2]), evidence={}, share=0.5,
                source="a document")
    ]  # fmt: skip
    gain = {"gain_ns": 2100.0, "gain_ratio": 0.25, "total_ns": 6300.0, "program": profile.program}
    profile.__dict__["advised"] = Advised(
        found=(
            Advice(code="hoist", title="load right once", lines=(spans[1],), how="load it before the loop",
                   replay="2 loads removed: 8.4 µs -> 6.3 µs (25 % less)", **gain),
            Advice(code="buffer", title="a second buffer", lines=(allocated,), how="allocate two",
                   replay="2 buffers in turn", **gain),
        ),
        rejected=(NotTried(title="move 2 tiles with one DMA", why="not replayed: too much", lines=(spans[0],)),),
    )  # fmt: skip
    return profile


# -- screens of the new views -----------------------------------------------------------------------------------------


class AdvisedApp(QuietApp):
    """The advice is known at once."""

    def _await_advice(self) -> None:
        self.advisor.finish(self.state.run)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
def test_the_views_of_path_stalls_and_advice(size: tuple[int, int], golden: Callable[[Path, str], None]) -> None:
    screens: list[str] = []

    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        for keys in ("c", "6 J J", "right_parenthesis", "u z minus", "escape u a 7 J", "1", "8 J", "J", "J", "J 3",
                     "4", "enter", "escape escape"):  # fmt: skip
            await pilot.press(*keys.split())
            await pilot.pause()
            app.redraw()
            await pilot.pause()
            screens.append(f"== {keys} ==\n{screen_text(app)}")

    asyncio.run(with_app([advised(fixed_profile(2, overlapping=True))], size, script, AdvisedApp))
    golden(GOLDEN / f"views_{size[0]}x{size[1]}.txt", "\n".join(screens))


# -- stalls -----------------------------------------------------------------------------------------------------------


def test_the_stalls_listed_are_the_profile_s_and_lead_to_their_rows(state: State, run: Run) -> None:
    rows = run.timeline.rows
    state.show(PANES.index("stalls"))
    content = stalls_pane(state, 120, Reports())
    assert len(content.entries) == len(run.profile.stalls) > 2
    for number, (entry, stall) in enumerate(zip(content.entries, run.profile.stalls, strict=True)):
        own = entry.rows()
        assert len(own) == stall.count
        assert float(rows["stall_ns"][own].sum()) == pytest.approx(stall.total_ns)
        jumps.choose(state, number, entry)
        assert state.selected is not None
        assert float(rows["stall_ns"][state.selected.row]) == pytest.approx(stall.longest_ns)
        assert reason(run, state.selected.row).startswith(stall.reason)
        assert state.found[0].rows.tolist() == own.tolist()


def test_every_wait_has_a_reason_and_nothing_else_has(run: Run) -> None:
    rows = run.timeline.rows
    for row in range(len(rows)):
        waited = rows["stall"][row] > 0 and rows["stall_ns"][row] > 0
        assert bool(reason(run, row)) == bool(waited)
        if waited and rows["kind"][row] == TRANSFER:
            assert "DMA engines" in reason(run, row)
        elif waited and rows["cause"][row] >= 0:
            blamed = run.span(int(rows["cause"][row]))
            assert blamed is not None and reason(run, row).endswith(f"line {blamed.line}")


# -- advice -----------------------------------------------------------------------------------------------------------


def test_advice_is_worked_out_beside_the_keys_and_once() -> None:
    run = Run(fixed_profile(1))
    advisor = Advisor()
    state = State([run], cells=60)
    assert not advisor.known(run) and advisor.working_s(run) is None
    done, calls = threading.Event(), []

    def then() -> None:
        calls.append(threading.current_thread())
        if advisor.known(run):
            done.set()

    advisor.start(run, then)
    advisor.start(run, then)
    assert done.wait(60) and advisor.known(run) and not advisor.failed(run)
    assert threading.main_thread() not in calls and advisor.working_s(run) is None
    text = "\n".join(plain(line) for line in advice_pane(state, 80, advisor).lines)
    assert "FINDINGS" in text
    for one in run.profile.advised.found:
        assert one.title.split()[0] in text
    count = len(calls)
    advisor.start(run, then)
    assert len(calls) == count


def test_while_it_is_worked_out_the_pane_says_so(state: State) -> None:
    text = "\n".join(plain(line) for line in advice_pane(state, 80, Advisor()).lines)
    assert "s so far; all keys work meanwhile" in text


def test_what_goes_wrong_with_advice_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Profile) -> Advised:
        raise ValueError("no such tile")

    monkeypatch.setattr(Profile, "advised", property(broken))
    run = Run(fixed_profile(1))
    advisor = Advisor()
    advisor.finish(run)
    text = "\n".join(plain(line) for line in advice_pane(State([run], cells=60), 80, advisor).lines)
    assert "could not be worked out: ValueError: no such tile" in text


def test_advice_leads_to_its_line_or_to_what_is_allocated_there() -> None:
    run = Run(advised(fixed_profile(2)))
    state = State([run], cells=60)
    advisor = Advisor()
    advisor.finish(run)
    state.show(PANES.index("advice"))
    entries = advice_pane(state, 80, advisor).entries
    assert [entry.what for entry in entries] == [
        "load right once", "a second buffer", "reload", "move 2 tiles with one DMA",
    ]  # fmt: skip
    jumps.choose(state, 0, entries[0])
    assert state.selected is not None
    span = run.span(state.selected.instruction)
    assert span is not None and span.line == entries[0].spans[0].line
    jumps.choose(state, 1, entries[1])
    tensor = run.profile.program.tensors[3]
    touched = run.timeline.instructions[state.selected.instruction].operands.values()
    assert any(getattr(operand, "tensor", None) is tensor for operand in touched)


def test_a_line_that_issues_nothing_is_shown_in_the_source(run: Run, state: State) -> None:
    span = run.span(0)
    assert span is not None
    nowhere = replace(span, line=3)
    entry = Entry(line=0, what="x", rows=lambda: np.empty(0, np.int64), spans=(nowhere,))
    before = state.selected
    jumps.choose(state, 0, entry)
    assert state.selected == before and "3 shows the line" in state.message
    content = source_pane(state, 100)
    assert content.focus == 2 and plain(content.lines[2]).startswith(">   3 ")
    state.clear()
    assert source_pane(state, 100).focus != 2


# -- entries of other panes -------------------------------------------------------------------------------------------


def test_lines_of_region_and_source_lead_to_their_rows(state: State, run: Run) -> None:
    for make in (region_pane, source_pane):
        for number in range(len(make(state, 100).entries)):
            entry = make(state, 100).entries[number]
            jumps.choose(state, number, entry)
            assert state.selected is not None
            assert run.place(run.span(state.selected.instruction)) == entry.what
            starts = run.timeline.rows["start_ns"][entry.rows()]
            assert (np.diff(starts) >= 0).all() and len(starts)


def test_keys_choose_entries_and_stop_at_the_ends() -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        await pilot.press("7", "K")
        last = app.state.entry
        assert last is not None and last > 1
        await pilot.press("J")
        assert app.state.entry == last and "no further entry" in app.state.message
        await pilot.press(*["K"] * (last + 1))
        assert app.state.entry == 0 and "no earlier entry" in app.state.message
        await pilot.press("6")
        assert app.state.entry is None
        await pilot.press("1", "J")
        assert "nothing to choose" in app.state.message
        lines = screen_text(app).splitlines()
        await pilot.press("7")
        await pilot.pause()
        lines = screen_text(app).splitlines()
        row = next(n for n, line in enumerate(lines) if "matmul (tensor)" in line)
        await pilot.click(offset=(20, row))
        await pilot.pause()
        assert app.state.entry is not None and screen_text(app).splitlines()[row].startswith("> ")

    asyncio.run(with_app([fixed_profile(2)], (120, 40), script))


def test_escape_drops_marks_first_and_then_makes_the_pane_small() -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        await pilot.press("c", "7", "J", "v", "enter", "escape")
        state = app.state
        assert app.expanded and not state.any_marks and state.entry is None and not state.path_shown
        await pilot.press("escape")
        assert not app.expanded

    asyncio.run(with_app([fixed_profile(2)], (80, 24), script))


# -- queues unfolded --------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=30), st.integers(1, 4))
def test_intervals_set_apart_do_not_overlap_while_numbers_suffice(pairs: list[tuple[int, int]], most: int) -> None:
    ordered = sorted(pairs)
    start = np.array([low for low, _ in ordered], np.float64)
    end = start + np.array([length for _, length in ordered], np.float64)
    depth = max((sum(s <= t < e for s, e in zip(start, end, strict=True)) for t in range(90)), default=0)
    assert most_at_once(start, end[:]) == depth or any(start == end)
    numbers = apart(start, end, most)
    assert set(numbers.tolist()) <= set(range(most))
    for number in range(most - 1):
        own = numbers == number
        assert (start[own][1:] >= end[own][:-1]).all()
    if not any(start == end):
        assert numbers.max(initial=-1) == min(depth, most) - 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=20))
def test_counts_are_the_mean_of_transfers_at_once(pairs: list[tuple[int, int]]) -> None:
    ordered = sorted(pairs)
    start = np.array([low for low, _ in ordered], np.float64)
    end = start + np.array([length for _, length in ordered], np.float64)
    edges = np.arange(0.0, 91.0)
    cells = paint(Track(start, end), edges, lambda position: "x", Level(start, end, np.ones(len(start))))
    for cell, character in enumerate(cells):
        count = int(((start <= cell) & (end > cell)).sum())
        assert character == count_text(count) if count > 1 else not character.isdigit()


def test_unfolding_keeps_rows_bytes_and_the_cursor() -> None:
    run = Run(fixed_profile(2, overlapping=True)).prepare()
    state = State([run], cells=64)
    queue = max((lane for lane in run.lanes if lane.at_once is not None), key=lambda lane: len(lane.rows))
    state.jump(0, int(queue.rows[3]))
    state.search("weights")
    one = state.selected
    folded = [lane.name for lane in run.lanes]
    state.unfold()
    assert state.selected is not None and one is not None and state.selected.row == one.row
    parts = [lane for lane in run.lanes if lane.name.startswith(queue.name)]
    assert 1 < len(parts) <= UNFOLDED
    assert [lane.name for lane in run.lanes if not lane.is_queue] == [n for n in folded if not n.startswith("q ")]
    assert sorted(np.concatenate([lane.rows for lane in parts]).tolist()) == sorted(queue.rows.tolist())
    assert sum(int(lane.moved[-1]) for lane in parts) == int(queue.moved[-1])
    assert all((lane.track.start[1:] >= lane.track.end[:-1]).all() for lane in parts)
    assert {place.lane for place in state.places} == set(range(len(run.lanes)))
    state.back()
    assert state.selected.row == int(queue.rows[3])
    state.unfold()
    assert [lane.name for lane in run.lanes] == folded and state.selected.row == int(queue.rows[3])
    assert len(lane_lines(state, 80, 12)) == 3 + len(folded)


def test_a_queue_of_many_transfers_is_unfolded_into_so_many_lanes() -> None:
    run = Run(fixed_profile(4, overlapping=True)).prepare()
    state = State([run], cells=64)
    state.unfold()
    parts = [lane for lane in run.lanes if lane.name.startswith("q sync")]
    assert len(parts) == UNFOLDED and f"{UNFOLDED} lanes" in state.message
    assert [lane.at_once is not None for lane in parts] == [False] * (UNFOLDED - 1) + [True]


def test_nothing_to_unfold_is_said(state: State) -> None:
    state.unfold()
    assert "nothing to unfold" in state.message


def test_labels_keep_the_number_of_a_lane() -> None:
    assert lane_label("B q gpsimd sw 2") == "B q gpsimd  2" and lane_label("tensor") == "tensor       "


# -- memory, titles, scrolling, reports -------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["sbuf", "psum"])
def test_held_bytes_count_each_address_once_and_never_exceed_the_most(run: Run, space: str) -> None:
    found = run.memory[space]
    view = MemoryView(found)
    for time in np.linspace(0, run.total_ns, 60).tolist():
        taken = {byte for one in found.alive_at(time) for byte in range(one.start_byte, one.end_byte)}
        assert view.held.at(time) == len(taken) <= view.most_bytes <= found.extent_bytes <= found.capacity_bytes
    assert view.held.at(view.most_ns) == view.most_bytes


@given(st.integers(0, len(PANES) - 1), st.integers(20, 140), st.booleans())
def test_the_bar_of_panes_names_the_current_one_whatever_the_width(current: int, width: int, compared: bool) -> None:
    text = plain(pane_title(current, (1001, 1203), compared, width))
    name = "compare" if compared and PANES[current] == "summary" else PANES[current]
    inside = text[text.index("[") + 1 : text.index("]")]
    assert inside in (f"{current + 1} {name}", f"{current + 1} instr")
    assert all(str(number) in text for number in range(1, 9))
    if width >= 80:
        assert len(text) <= width and text.endswith(("1001/1203", "line 1,001 of 1,203"))


@given(st.integers(0, 9), st.integers(0, 30), st.integers(0, 3), st.integers(1, 12), st.integers(-3, 3))
def test_lines_made_late_scroll_like_the_others(few: int, more: int, held: int, height: int, pages: int) -> None:
    made = Content(
        lines=[[(str(n), "")] for n in range(few)],
        head_lines=[[("head", "")]] * held,
        more=(more, lambda number: [(str(few + number), "")]),
    )
    whole = Content(lines=[[(str(n), "")] for n in range(few + more)], head_lines=[[("head", "")]] * held)
    one, other = PaneView(), PaneView()
    for _ in range(3):
        assert one.visible(made, height, "x") == other.visible(whole, height, "x")
        assert len(one.visible(made, height, "x")) <= height
        one.scroll(pages)
        other.scroll(pages)


def test_a_report_is_rendered_once_for_a_width(run: Run) -> None:
    reports, calls = Reports(), []

    def make() -> list[str]:
        calls.append(1)
        return ["one two three"]

    assert [plain(line) for line in reports.lines(("x",), 7, make)] == ["one two", "three"]
    reports.lines(("x",), 7, make)
    reports.lines(("x",), 20, make)
    assert len(calls) == 2
    lines = rendered(list(summary.render(run.profile, 80)), 80)
    assert all(len(plain(line)) <= 80 for line in lines) and run.profile.bottleneck.split()[0] in plain(lines[1])


def profile_of(build: Timed) -> Profile:
    chip = load("trn2")
    allocation = allocate(build.program, chip)
    timeline = simulate(build.program, allocation.placement, chip)
    return Profile(build.program, timeline, chip, allocation=allocation)


@pytest.mark.parametrize("instructions", [0, 1])
def test_runs_of_nothing_and_of_one_instruction_take_every_key(instructions: int) -> None:
    build = Timed("trn2")
    tile = build.sbuf(128, 64, name="tile")
    for _ in range(instructions):
        build.memset(tile, 0.0)

    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        from nki_sim.profiler.app.help import KEYS

        for pane in range(len(PANES)):
            for key in KEYS:
                if key.action in ("quit", "help", "search"):
                    continue
                app.state.show(pane)
                await pilot.press(key.keys.split(",")[0])
        await pilot.pause()
        assert app.is_running and len(screen_text(app).splitlines()) == 24

    asyncio.run(with_app([profile_of(build)], (80, 24), script))


def test_an_execution_of_a_repeated_instruction_says_which_it_is(run: Run) -> None:
    rows = run.timeline.rows
    seen: dict[tuple[int, int], int] = {}
    for row in range(len(rows)):
        key = (int(rows["instruction"][row]), int(rows["kind"][row]))
        seen[key] = seen.get(key, 0) + 1
        assert run.execution(row) == seen[key]


def test_letters_of_waits_stay_under_the_path(run: Run, state: State) -> None:
    plainly = [plain(line) for line in lane_lines(state, 80, 12)]
    jumps.mark_path(state)
    marked = [plain(line) for line in lane_lines(state, 80, 12)]
    for one, other in zip(plainly[1:-2], marked[1:-2], strict=True):
        kept = [(a, b) for a, b in zip(one, other, strict=True) if a.isalnum()]
        assert all(a == b for a, b in kept)
    assert any(one != other for one, other in zip(plainly, marked, strict=True)) and len(STALLS) > 1
