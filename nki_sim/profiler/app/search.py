"""Search: which rows a query means. Words look at operations, functions, tensors and names; ``:58`` or ``file.py:58``
at lines, ``#12`` at instructions; ``op:``, ``tensor:`` and ``line:`` say where to look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.tracks import Floats, Integers
from nki_sim.program.access import AccessPattern
from nki_sim.program.spans import SourceSpan

_LINE = re.compile(r"^(?:line:)?(?P<file>[^\s:]*?):?(?P<line>\d+)$")
_KINDS = ("op", "tensor", "line")
_FUNCTIONS = ("op", "op0", "op1")


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Found:
    """The rows a query means, in order of start. `what` says how it was understood; by_lane has the starts by lane."""

    query: str
    what: str
    rows: Integers
    starts: Floats
    by_lane: Mapping[int, Floats]

    def cells(self, lane: int, edges: Floats) -> Integers:
        """The cells of a lane in which hits start."""
        starts = self.by_lane.get(lane)
        if starts is None:
            return np.empty(0, np.int64)
        return np.flatnonzero(np.diff(starts.searchsorted(edges)))


class SearchIndex:
    """The words of a run's instructions: built once, so that a query only looks at the distinct words."""

    def __init__(self, run: Run) -> None:
        self.run = run
        timeline = run.timeline
        self._words: dict[str, list[int]] = {}
        pairs: dict[int, list[int]] = {}
        sites: dict[int, list[int]] = {}
        for number, instruction in enumerate(timeline.instructions):
            sites.setdefault(instruction.site, []).append(number)
            functions = (instruction.attributes.get(name) for name in _FUNCTIONS)
            for word in {instruction.op, instruction.label, *functions}:
                if isinstance(word, str):
                    self._words.setdefault(word.lower(), []).append(number)
            for operand in instruction.operands.values():
                if type(operand) is AccessPattern:
                    pairs.setdefault(operand.tensor.index, []).append(number)
        self._tensors = [(t.name.lower(), pairs[t.index]) for t in timeline.program.tensors if t.index in pairs]
        self._pairs = pairs
        self._unnamed = {f"%{index}": numbers for index, numbers in pairs.items()}
        self._sites = sites

    def find(self, query: str) -> Found:
        """The rows of the instructions that `query` means; none for an empty query."""
        text = query.strip().lower()
        kind, colon, rest = text.partition(":")
        if kind not in _KINDS or not colon:
            kind, rest = "", text
        if not rest:
            return self._found(query, "nothing", [])
        if rest.startswith("#") and rest[1:].isdigit():
            return self._found(query, f"instruction {rest}", [int(rest[1:])])
        place = _LINE.match(rest)
        if place and kind in ("", "line") and (kind == "line" or ":" in rest):
            return self._found(query, f"line {rest.lstrip(':')}", self._on_line(place["file"], int(place["line"])))
        numbers: list[int] = []
        if kind in ("", "op"):
            numbers += [n for word, found in self._words.items() if rest in word for n in found]
        if kind in ("", "tensor"):
            numbers += self._unnamed.get(rest, [])
            numbers += [n for name, found in self._tensors if name and rest in name for n in found]
        return self._found(query, {"op": "operation ", "tensor": "tensor "}.get(kind, "") + rest, numbers)

    def rows_on(self, spans: Sequence[SourceSpan]) -> Integers:
        """The rows of instructions that these lines issue or lead to; else those that touch what they allocate."""
        places = [(span.file.lower(), span.line) for span in spans]
        numbers = [number for file, line in places for number in self._on_line(file, line)]
        if not numbers:
            numbers = [number for file, line in places for number in self._allocated_on(file, line)]
        return self._rows(numbers)

    def _allocated_on(self, file: str, line: int) -> list[int]:
        """The instructions that touch a tensor allocated on a line."""
        program = self.run.timeline.program
        sites: dict[int, bool] = {}
        found: list[int] = []
        for tensor in program.tensors:
            if tensor.index not in self._pairs:
                continue
            if tensor.site not in sites:
                sites[tensor.site] = any(
                    span.line == line and span.file.lower() == file for span in program.spans(tensor.site)
                )
            if sites[tensor.site]:
                found += self._pairs[tensor.index]
        return found

    def _on_line(self, file: str, line: int) -> list[int]:
        program = self.run.timeline.program
        found: list[int] = []
        for site, numbers in self._sites.items():
            for span in program.spans(site):
                if span.line <= line <= max(span.line, span.end_line) and span.file.lower().endswith(file):
                    found += numbers
                    break
        return found

    def _found(self, query: str, what: str, numbers: Iterable[int]) -> Found:
        return found_rows(self.run, query, what, self._rows(numbers))

    def _rows(self, numbers: Iterable[int]) -> Integers:
        """The rows of instructions, in order of start."""
        rows = self.run.timeline.rows
        chosen = np.zeros(len(self.run.timeline.instructions) + 1, bool)
        wanted = np.fromiter(numbers, np.int64)
        chosen[wanted[wanted < len(chosen) - 1]] = True
        hits = np.flatnonzero(chosen[rows["instruction"]])
        ordered: Integers = hits[np.argsort(rows["start_ns"][hits], kind="stable")]
        return ordered


def found_rows(run: Run, query: str, what: str, rows: Integers) -> Found:
    """`rows`, in order of start, as what a search finds."""
    starts = run.timeline.rows["start_ns"][rows]
    lanes = run.lane_of_row[rows]
    by_lane = {int(lane): starts[lanes == lane] for lane in np.unique(lanes)}
    return Found(query=query.strip(), what=what, rows=rows, starts=starts, by_lane=by_lane)
