"""What a key reads of the run: counted element by element, and the same for a run thirty times as long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.bench_app import synthetic_profile
from nki_sim.profiler.app import jumps, model
from nki_sim.profiler.app.inspector import Charges, instruction_pane
from nki_sim.profiler.app.lanes import lane_lines
from nki_sim.profiler.app.memory import MemoryViews, memory_pane
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content
from nki_sim.profiler.app.path import path_pane
from nki_sim.profiler.app.region import region_pane
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.tally import LEAST_BLOCK, Tally
from nki_sim.profiler.app.tracks import Level, Longest, Track, Union

WIDTH, HEIGHT = 100, 12


class Meter:
    def __init__(self) -> None:
        self.touched = 0


class Counted(np.ndarray):  # type: ignore[type-arg]
    """An array that counts the elements taken out of it or computed on; a binary search counts its queries."""

    meter: Meter

    def __array_finalize__(self, source: Any) -> None:
        self.meter = getattr(source, "meter", None)  # type: ignore[assignment]

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        self.meter.touched += np.size(found)
        return np.asarray(found) if isinstance(found, np.ndarray) else found

    def searchsorted(self, values: Any, *args: Any, **kwargs: Any) -> Any:
        self.meter.touched += np.size(values)
        return np.asarray(self).searchsorted(values, *args, **kwargs)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        self.meter.touched += self.size
        plain = [np.asarray(one) if isinstance(one, Counted) else one for one in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self.meter.touched += self.size
        plain = [np.asarray(one) if isinstance(one, Counted) else one for one in args]
        return function(*plain, **kwargs)


def counted(value: Any, meter: Meter) -> Any:
    """`value` with every array in it counting."""
    if isinstance(value, np.ndarray):
        found = np.asarray(value).view(Counted)
        found.meter = meter
        return found
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [counted(one, meter) for one in value]
    if isinstance(value, (Track, Union, Level, Longest, Tally)):
        for name in type(value).__slots__:  # numbers among them stay as they are
            setattr(value, name, counted(getattr(value, name), meter))
    return value


def metered(profile: Any) -> tuple[State, Meter, MemoryViews]:
    run = Run(profile).prepare()
    meter = Meter()
    for lane in run.lanes:
        for name in model.Lane.__slots__:
            object.__setattr__(lane, name, counted(getattr(lane, name), meter))
    critical = run.critical
    for name in ("starts", "ends", "rows", "first", "step_starts", "_stop", "_by_row", "_sorted_rows"):
        setattr(critical, name, counted(getattr(critical, name), meter))
    for _, work, wait in critical._tracks(run):
        counted(work, meter), counted(wait, meter)
    views = MemoryViews([run])
    for space in run.memory:
        view = views.of(run, space)
        assert view is not None
        for band in view.bands(HEIGHT - 3):
            band.blocks = counted(band.blocks, meter)
            counted(band.track, meter)
            for name in ("times", "values", "before"):
                setattr(band.held, name, counted(getattr(band.held, name), meter))
        for name in ("times", "values", "before"):
            setattr(view.held, name, counted(getattr(view.held, name), meter))
        view.begins = counted(view.begins, meter)
        counted(view._latest, meter)
    return State([run], cells=WIDTH), meter, views


@pytest.fixture(scope="module")
def short_and_long() -> list[tuple[State, Meter, MemoryViews]]:
    return [metered(synthetic_profile(rows)) for rows in (2_000, 60_000)]


def touched(entry: tuple[State, Meter, MemoryViews], action: Any) -> int:
    state, meter, views = entry
    before = meter.touched
    action(state, views)
    return meter.touched - before


def near(state: State) -> None:
    """A window of fixed length in the middle of the run."""
    state.window = state.window.with_cursor(state.window.total_ns / 2).framed(
        state.window.total_ns / 2 - 5_000, state.window.total_ns / 2 + 5_000
    )
    state.chosen = None


def with_path(state: State, draw: Any = lambda state, width: lane_lines(state, width, HEIGHT)) -> None:
    state.path_shown = True
    content = draw(state, WIDTH)
    if isinstance(content, Content):
        content.stretch(0, HEIGHT)


ACTIONS = {
    "lanes": lambda state, views: lane_lines(state, WIDTH, HEIGHT),
    "instruction": lambda state, views: instruction_pane(state, WIDTH, Charges()),
    "region": lambda state, views: region_pane(state, WIDTH),
    "memory": lambda state, views: memory_pane(state, WIDTH, HEIGHT, views),
    "next stall": lambda state, views: jumps.stall(state, 1, everywhere=True),
    "previous stall": lambda state, views: jumps.stall(state, -1),
    "next instruction": lambda state, views: state.neighbour(1),
    "right": lambda state, views: state.step(1),
    "next step of the path": lambda state, views: jumps.path_step(state, 1),
    "path on the lanes": lambda state, views: with_path(state),
    "path": lambda state, views: with_path(state, path_pane),
    "follow": lambda state, views: jumps.follow(state, False),
}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("whole", [True, False], ids=["whole run", "zoomed in"])
def test_a_key_touches_no_more_of_a_longer_run(short_and_long: Any, name: str, whole: bool) -> None:
    counts = []
    for entry in short_and_long:
        state = entry[0]
        state.whole()
        if not whole:
            near(state)
        counts.append(touched(entry, ACTIONS[name]))
    few, many = counts
    # Thirty times the rows: all may cost a few elements per cell and two blocks of each sum, none may cost the rows.
    lanes = len(short_and_long[0][0].places)
    assert many <= 8 * WIDTH * (HEIGHT + lanes) + 8 * LEAST_BLOCK * lanes
    assert many <= 3 * few + 8 * LEAST_BLOCK * lanes


def test_the_meter_sees_a_scan() -> None:
    meter = Meter()
    array = counted(np.arange(1000.0), meter)
    assert (array[:10] + 1).sum() == 55.0 and meter.touched == 10
    assert float((array > 5).sum()) == 994 and meter.touched >= 1010
    assert array.searchsorted(5.5) == 6 and meter.touched <= 1020
