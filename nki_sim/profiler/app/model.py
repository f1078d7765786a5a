"""Run: one profile arranged for the screen: lanes of engines and DMA queues, rows by time, links, lines, sums.

Everything is sorted and added up once, here; what a key does later costs what the screen shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase

import numpy as np

from nki_sim.profiler.app.critical import Critical
from nki_sim.profiler.app.graph import Graph
from nki_sim.profiler.app.tally import Tally
from nki_sim.profiler.app.tracks import Floats, Integers, Level, Longest, Track, apart, most_at_once
from nki_sim.profiler.lines import lines_of
from nki_sim.profiler.memory_map import MemoryMap
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.places import shared_file
from nki_sim.profiler.words import place_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import (
    DMA_LOAD,
    DMA_STORE,
    ENGINES,
    KINDS,
    LANES,
    NO_STALL,
    STALLS,
    TABLE_LOAD,
    TRANSFER,
    TRIGGER,
)

MODES = {"hwdge": "hw", "swdge": "sw", "none": "st"}
"""Who makes the descriptors of a queue: hardware, software, or nobody because they lie ready (static)."""

_LETTERS = {
    "tensor": "t", "vector": "v", "scalar": "s", "gpsimd": "g", "sync": "y", "dma load": "l", "dma store": "o",
    "dma copy": "c", "buffer reuse": "b", "table load": "f", "weight load": "w", "dma queue": "q", "loop branch": "j",
}  # fmt: skip


def stall_letters(causes: Sequence[str]) -> dict[str, str]:
    """A letter of its own for each cause; one without a letter above gets the first free one of its name."""
    letters: dict[str, str] = {}
    for cause in causes:
        taken = set(letters.values()) | {letter for name, letter in _LETTERS.items() if name in causes}
        free = (c for c in [*cause.lower(), *ascii_lowercase] if c.isalpha() and c not in taken)
        letters[cause] = " " if cause == STALLS[NO_STALL] else _LETTERS.get(cause) or next(free, "?")
    return letters


STALL_LETTERS = stall_letters(STALLS)
"""What the first cell of a wait shows."""

UNFOLDED = 8
"""Lanes of one queue at most."""

_MOVES = {DMA_LOAD: "load", DMA_STORE: "store"}


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Lane:
    """One engine or DMA queue.

    rows        numbers in Timeline.rows, in order of start; a *position* counts along them
    track       from start to where the lane can take the next one
    waits       the stretches it stood still for a cause; wait_codes says why (STALLS), wait_positions who waited
    wait_starts when the waiting instruction started at last; longest finds the next wait of a length
    by_line     time by source line; by_cause: waiting by STALLS; both over positions
    moved, read, written    running totals of bytes over positions, all 0 for engines
    at_once     of a queue that moves several transfers at once: how many, over time; else None
    """

    name: str
    is_queue: bool
    rows: Integers
    track: Track
    waits: Track
    wait_codes: Integers
    wait_positions: Integers
    wait_starts: Floats
    longest: Longest
    by_line: Tally
    by_cause: Tally
    moved: Integers
    read: Integers
    written: Integers
    at_once: Level | None


class Arrangement:
    """Lanes from top to bottom, and where in them each row is."""

    def __init__(self, lanes: Sequence[Lane], rows: int) -> None:
        self.lanes = lanes
        self.lane_of_row: Integers = np.zeros(rows, np.int64)
        self.position_of_row: Integers = np.zeros(rows, np.int64)
        for number, lane in enumerate(lanes):
            self.lane_of_row[lane.rows] = number
            self.position_of_row[lane.rows] = np.arange(len(lane.rows))


class Run:
    """One profile, ready to be looked at. `name` tells it from another run on the same screen.

    folded has a lane per queue, unfolded one for each transfer that a queue moves at once; `arranged` is what shows.
    """

    def __init__(self, profile: Profile, name: str = "") -> None:
        self.profile = profile
        self.timeline = timeline = profile.run
        self.name = name or profile.program.name
        self.total_ns = float(profile.total_ns)
        rows = timeline.rows
        self.line_of, self.line_spans = lines_of(timeline)
        self.folded = self.arranged = Arrangement(_lanes(self), len(rows))
        self._by_instance: Integers = np.argsort(rows["instance"], kind="stable")
        self._instances: Integers = rows["instance"][self._by_instance].astype(np.int64)
        self.graph = Graph(timeline.waits)
        self._labels: dict[int, str] = {}

    @property
    def lanes(self) -> Sequence[Lane]:
        return self.arranged.lanes

    @property
    def lane_of_row(self) -> Integers:
        return self.arranged.lane_of_row

    @property
    def position_of_row(self) -> Integers:
        return self.arranged.position_of_row

    @cached_property
    def unfolded(self) -> Arrangement:
        lanes = [one for lane in self.folded.lanes for one in _unfold(self, lane)]
        return Arrangement(lanes, len(self.timeline.rows))

    @cached_property
    def critical(self) -> Critical:
        """The critical path."""
        return Critical(self.profile.critical_path)

    @property
    def title(self) -> str:
        return f"{self.profile.program.name} on {self.profile.target.name}"

    def rows_of(self, instance: int) -> Integers:
        """The rows of one executed instruction, in order of issue; the last one gives its result."""
        low, high = self._instances.searchsorted([instance, instance + 1])
        found: Integers = self._by_instance[low:high]
        return found

    @cached_property
    def _executions(self) -> Integers:
        """By row: how many rows of its instruction and kind come before it."""
        rows = self.timeline.rows
        key = rows["instruction"].astype(np.int64) * len(KINDS) + rows["kind"]
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        found: Integers = np.empty(len(rows), np.int64)
        found[order] = np.arange(len(rows)) - ordered.searchsorted(ordered)
        return found

    def execution(self, row: int) -> int:
        """Which execution of its instruction a row belongs to, counted from 1."""
        return int(self._executions[row]) + 1

    def row_at(self, lane: int, position: int) -> int:
        return int(self.lanes[lane].rows[position])

    def label(self, row: int) -> str:
        """A word or two for a row: what fits into a box on its lane."""
        one = self.timeline.rows[row]
        kind, instruction = int(one["kind"]), int(one["instruction"])
        if kind in (TRIGGER, TABLE_LOAD):
            return KINDS[kind]
        if instruction not in self._labels:
            self._labels[instruction] = self._name(instruction)
        return self._labels[instruction]

    def _name(self, number: int) -> str:
        if number < 0:
            return ""
        instruction = self.timeline.instructions[number]
        if instruction.op == "dma_copy":
            work = self.timeline.works[number]
            lane = work.transfer.lane if work is not None and work.transfer is not None else -1
            side = instruction.operands.get("dst" if lane == DMA_STORE else "src")
            name = side.tensor.name if isinstance(side, AccessPattern) else ""
            return f"{_MOVES.get(lane, 'copy')} {name}".rstrip()
        if instruction.op.startswith("activation"):
            return f"{instruction.attributes.get('op') or instruction.op}"
        return instruction.label or instruction.op.removeprefix("nc_")

    def span(self, instruction: int) -> SourceSpan | None:
        """The line that issued an instruction."""
        return None if instruction < 0 else self.line_spans[int(self.line_of[instruction])]

    @cached_property
    def file(self) -> str:
        """The one file all instructions come from, without its folder; "" when there are several or none."""
        return shared_file(self.profile)

    def place(self, span: SourceSpan | None) -> str:
        """``line 12`` where one file holds all of the kernel, else ``file.py:12``."""
        return f"line {span.line}" if span is not None and self.file else place_text(span)

    def line_number(self, span: SourceSpan | None) -> int:
        """The number of a line in `line_of` and `line_spans`; -1 for a line that issues nothing."""
        key = ("", 0) if span is None else (span.file, span.line)
        return self._line_numbers.get(key, -1)

    @cached_property
    def _line_numbers(self) -> dict[tuple[str, int], int]:
        return {("", 0) if one is None else (one.file, one.line): number for number, one in enumerate(self.line_spans)}

    def prepare(self) -> Run:
        """Compute what panes show of the whole run, so that no key has to; returns the run itself."""
        profile = self.profile
        _ = (profile.lines, profile.stalls, profile.metrics, profile.engines, profile.bottleneck, self.memory)
        _ = (profile.engine_times, profile.roofline, self.critical, self.unfolded, self.file, self._executions)
        return self

    @property
    def memory(self) -> dict[str, MemoryMap]:
        """By space; empty when the tensors were not placed."""
        return self.profile.memory_map


def _lanes(run: Run) -> list[Lane]:
    """The engines that did something, then the queues in the order of their engines."""
    timeline = run.timeline
    rows = timeline.rows
    queue_of, names = _queues(run)
    number = rows["lane"].astype(np.int64)
    moving = (rows["kind"] == TRANSFER) & (number >= ENGINES)
    number[moving] = ENGINES + queue_of[rows["instruction"][moving]]
    weight = rows["issue_end_ns"] - rows["start_ns"]
    transfers = timeline.transfers
    weight[transfers["row"]] = transfers["pool_ns"]
    bytes_of = np.zeros((3, len(rows)), np.int64)
    for column, name in enumerate(("moved_bytes", "read_bytes", "write_bytes")):
        bytes_of[column, transfers["row"]] = transfers[name]
    found = []
    for lane, name in enumerate((*LANES[:ENGINES], *names)):
        own = np.flatnonzero(number == lane)
        if len(own):
            own = own[np.argsort(rows["start_ns"][own], kind="stable")]
            found.append(_lane(run, name, lane >= ENGINES, own, weight[own], bytes_of[:, own]))
    return found


def _queues(run: Run) -> tuple[Integers, list[str]]:
    """The queue of each static instruction (-1: it moves nothing) and the queues' names."""
    keys = []
    for work in run.timeline.works:
        transfer = work.transfer if work is not None else None
        keys.append((-1, "") if transfer is None else (int(transfer.trigger), str(transfer.mode)))
    known = sorted({key for key in keys if key[0] >= 0})
    index = {key: number for number, key in enumerate(known)} | {(-1, ""): -1}
    names = [f"q {LANES[engine]} {MODES.get(mode, mode)}" for engine, mode in known]
    return np.array([index[key] for key in keys], np.int64), names


def _unfold(run: Run, lane: Lane) -> list[Lane]:
    """A queue as lanes on which no two transfers overlap, as far as UNFOLDED of them suffice; else the lane itself."""
    if lane.at_once is None:
        return [lane]
    numbers = apart(lane.track.start, lane.track.end, UNFOLDED)
    moved = np.stack([np.diff(totals) for totals in (lane.moved, lane.read, lane.written)])
    found = []
    for number in range(int(numbers.max()) + 1):
        own = np.flatnonzero(numbers == number)
        name = lane.name if number == 0 else f"{lane.name} {number + 1}"
        found.append(_lane(run, name, True, lane.rows[own], lane.by_line.weight[own], moved[:, own]))
    return found


def _lane(run: Run, name: str, is_queue: bool, own: Integers, weight: Floats, moved: Integers) -> Lane:
    rows = run.timeline.rows[own]
    start = rows["start_ns"].copy()
    held = np.flatnonzero((rows["stall"] > 0) & (rows["stall_ns"] > 0))
    lengths = rows["stall_ns"][held]
    began = start[held] - lengths
    order = np.argsort(began, kind="stable")
    totals = np.concatenate((np.zeros((3, 1), np.int64), np.cumsum(moved, axis=1)), axis=1)
    end = rows["issue_end_ns"].copy()
    several = is_queue and most_at_once(start, end) > 1
    return Lane(
        name=name,
        is_queue=is_queue,
        rows=own,
        track=Track(start, end),
        waits=Track(began[order], start[held][order]),
        wait_codes=rows["stall"][held][order].astype(np.int64),
        wait_positions=held,
        wait_starts=start[held],
        longest=Longest(lengths),
        by_line=Tally(run.line_of[rows["instruction"]], weight, max(1, len(run.line_spans))),
        by_cause=Tally(rows["stall"].astype(np.int64), np.where(rows["stall"] > 0, rows["stall_ns"], 0.0), len(STALLS)),
        moved=totals[0],
        read=totals[1],
        written=totals[2],
        at_once=Level(start, end, np.ones(len(start))) if several else None,
    )
