"""Two profiles side by side: what changed, where (engine, instruction, line) and why (stalls, transfers, reloads).

Works on the JSON documents of reporters.json, so that a saved profile and a fresh one compare alike. Lines are paired
by their text in the order of the source, so that lines inserted or moved down do not read as changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from typing import Any

from nki_sim.profiler.critical_path import MEANINGS, START
from nki_sim.profiler.documents import Document, check_document
from nki_sim.profiler.words import time_text, times_text

_NOTHING_NS = 0.5
# Below this likeness two lines that stand for each other are called one gone and one new.
_ALIKE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One quantity before and after. `name` is what it belongs to, `unit` "ns", "bytes", "1" or "FLOP"."""

    name: str
    before: float
    after: float
    unit: str = "ns"

    @property
    def difference(self) -> float:
        return self.after - self.before

    @property
    def ratio(self) -> float:
        """after / before; 1 for nothing before and after, infinite when there was nothing before."""
        if self.before:
            return self.after / self.before
        return 1.0 if not self.after else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """One source line on both sides; a place of None on the side that lacks it. Times are on its busiest lane."""

    text: str
    before_at: str | None
    after_at: str | None
    busy: Change
    stall: Change
    moved: Change
    executions: Change

    @property
    def weight_ns(self) -> float:
        """How much of it is different, for sorting."""
        return max(abs(self.busy.difference), abs(self.stall.difference))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`before` and `after` name the profiles; the lists hold what differs, most first.

    path    what the critical path is made of, by lane and cause: all differences add up to that of the total
    """

    before: str
    after: str
    total: Change
    bottlenecks: tuple[str, str]
    engines: list[Change] = field(default_factory=list)
    instructions: list[Change] = field(default_factory=list)
    executions: list[Change] = field(default_factory=list)
    lines: list[LineChange] = field(default_factory=list)
    path: list[Change] = field(default_factory=list)
    stalls: list[Change] = field(default_factory=list)
    traffic: list[Change] = field(default_factory=list)
    reloads: list[Change] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        lists = (
            self.engines,
            self.instructions,
            self.lines,
            self.stalls,
            self.traffic,
            self.reloads,
            self.executions,
            self.path,
        )
        return not self.total.difference and not any(lists)

    @property
    def why(self) -> str:
        """What the difference comes from in a line: how often inputs are read, the critical path, the waits."""
        less = self.total.difference < 0

        def most(changes: Sequence[Change], number: int, fewer: bool) -> list[str]:
            alike = [one for one in changes if one.difference and (one.difference < 0) == fewer][:number]
            word = "less" if fewer else "more"
            return [f'{time_text(abs(one.difference))} {word} of "{one.name}"' for one in alike]

        parts = [
            f"{one.name} is read {times_text(one.after)} instead of {times_text(one.before)}"
            for one in self.reloads[:1]
            if one.before and one.after
        ]
        path = most(self.path, 2, less)
        if path:
            parts.append(f"the critical path has {' and '.join(path)}")
        against = [one for one in self.path if one.difference and (one.difference < 0) != less]
        if path and against and abs(against[0].difference) > 0.25 * abs(self.total.difference):
            parts[-1] += f", but {most(against, 1, not less)[0]}"
        parts += [f"of all waits, {one}" for one in most(self.stalls, 1, less)]
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `schema` names and versions them."""
        values = asdict(self)
        values["why"] = self.why
        values["speedup_ratio"] = self.total.before / self.total.after if self.total.after else None
        return {"schema": {"name": "nki_sim.comparison", "version": 1}, **values}


def compare(before: Document, after: Document, names: tuple[str, str] = ("A", "B")) -> Comparison:
    """What is different in `after`. Raises ValueError for documents of another schema."""
    for document in (before, after):
        check_document(document)
    return Comparison(
        before=names[0],
        after=names[1],
        total=Change(name="total", before=before["total_ns"], after=after["total_ns"]),
        bottlenecks=(before["bottleneck"], after["bottleneck"]),
        engines=_changes(_engines(before), _engines(after)),
        instructions=_changes(_by_op(before, "busy_ns"), _by_op(after, "busy_ns")),
        executions=_changes(_executions(before), _executions(after), unit="1", least=0.5),
        lines=_lines(before["lines"], after["lines"]),
        path=_changes(_path(before), _path(after)),
        stalls=_changes(_stalls(before), _stalls(after)),
        traffic=_traffic(before["metrics"], after["metrics"]),
        reloads=_changes(_reloads(before), _reloads(after), unit="1", least=0.005),
    )


def _changes(
    before: Mapping[str, float], after: Mapping[str, float], *, unit: str = "ns", least: float = _NOTHING_NS
) -> list[Change]:
    """What differs by at least `least`, most first."""
    names = dict.fromkeys([*before, *after])
    found = [Change(name=n, before=before.get(n, 0.0), after=after.get(n, 0.0), unit=unit) for n in names]
    return sorted((one for one in found if abs(one.difference) >= least), key=lambda one: -abs(one.difference))


def _engines(document: Document) -> dict[str, float]:
    return {name: use["busy_ns"] for name, use in document["engines"].items()}


def _by_op(document: Document, what: str) -> dict[str, float]:
    return {f"{one['instruction']} ({one['lane']})": one[what] for one in document["instructions"]}


def _executions(document: Document) -> dict[str, float]:
    """Instructions by name and lane, and by engine the transfers that it asks for."""
    found = _by_op(document, "executions")
    for name, use in document["engines"].items():
        # Profiles saved by older versions do not have it.
        if use.get("dma_triggers"):
            found[f"DMA triggers ({name})"] = use["dma_triggers"]
    return found


def _path(document: Document) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in document["critical_path"]:
        name = f"{one['lane']}, {MEANINGS.get(one['cause'], one['cause'])}" if one["lane"] else MEANINGS[START]
        found[name] = found.get(name, 0.0) + one["total_ns"]
    return found


_WAITED_FOR = {
    "sbuf buffer": "for a free SBUF buffer",
    "psum bank": "for a free PSUM bank",
    "hbm order": "for earlier transfers of the same bytes",
    "dma queue": "for room in the queue",
}


def _stalls(document: Document) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in document["stalls"]:
        name = f"{one['engine']} waits {one['reason']}"
        found[name] = found.get(name, 0.0) + one["total_ns"]
    # What keeps triggers waiting holds up no engine's work, only the transfers.
    for one in document["engine_times"]:
        if one["engine"] == "sync":
            for cause, time_ns in one["waits_ns"].items():
                found[f"transfers asked for by sync wait {_WAITED_FOR.get(cause, f'for {cause}')}"] = time_ns
    return found


def _reloads(document: Document) -> dict[str, float]:
    return {one["tensor"]: one["times"] for one in document["hbm_tensors_read"]}


_TRAFFIC = (
    ("bytes moved by DMA", "dma_bytes", "bytes"),
    ("transfers", "dma_transfers", "1"),
    ("bytes per transfer", "mean_transfer_bytes", "bytes"),
    ("bytes per descriptor", "mean_descriptor_bytes", "bytes"),
    ("read from HBM", "hbm_read_bytes", "bytes"),
    ("written to HBM", "hbm_write_bytes", "bytes"),
    ("model FLOPs", "model_flops", "FLOP"),
    ("lost to a cold clock", "slow_clock_ns", "ns"),
)


def _traffic(before: Mapping[str, float], after: Mapping[str, float]) -> list[Change]:
    found = []
    for name, key, unit in _TRAFFIC:
        change = Change(name=name, before=before.get(key, 0.0), after=after.get(key, 0.0), unit=unit)
        if abs(change.difference) >= (_NOTHING_NS if unit == "ns" else 1e-9):
            found.append(change)
    return found


# -- lines ------------------------------------------------------------------------------------------------------------

Line = Mapping[str, Any]


def _lines(before: Sequence[Line], after: Sequence[Line]) -> list[LineChange]:
    old, new = _in_order(before), _in_order(after)
    found = [_line_change(one, other) for one, other in pair_lines(old, new)]
    changed = [
        one
        for one in found
        if one.weight_ns >= _NOTHING_NS or one.moved.difference or one.executions.difference or one.before_at is None
    ]
    return sorted(changed, key=lambda one: -one.weight_ns)


def _in_order(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda one: (one["at"]["file"], one["at"]["line"]) if one["at"] else ("", 0))


def _text(line: Line | None) -> str:
    return line["at"]["text"] if line is not None and line["at"] else ""


def pair_lines(old: Sequence[Line], new: Sequence[Line]) -> list[tuple[Line | None, Line | None]]:
    """Lines that are the same or stand for each other, both in order; None where one side has no counterpart."""
    # SequenceMatcher finds long runs, not the fewest changes: among lines that repeat it can misplace an edit.
    head = _shared(old, new)
    found: list[tuple[Line | None, Line | None]] = list(zip(old[:head], new[:head], strict=True))
    return found + _pair_stretch(old[head:], new[head:])


def _shared(old: Sequence[Line], new: Sequence[Line]) -> int:
    """How many lines at the start are the same."""
    differ = (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if _text(one) != _text(other))
    return next(differ, min(len(old), len(new)))


def _pair_stretch(old: Sequence[Line], new: Sequence[Line]) -> list[tuple[Line | None, Line | None]]:
    matcher = SequenceMatcher(None, [_text(one) for one in old], [_text(one) for one in new], autojunk=False)
    found: list[tuple[Line | None, Line | None]] = []
    for tag, start, stop, low, high in matcher.get_opcodes():
        if tag == "equal":
            found += zip(old[start:stop], new[low:high], strict=True)
        else:
            found += _pair_changed(old[start:stop], new[low:high])
    return found


def _pair_changed(old: Sequence[Line], new: Sequence[Line]) -> list[tuple[Line | None, Line | None]]:
    """In a stretch that was rewritten: each old line with the first new one, in order, that is much like it."""
    found: list[tuple[Line | None, Line | None]] = []
    low = 0
    for one in old:
        match = next((n for n in range(low, len(new)) if _likeness(one, new[n]) >= _ALIKE), None)
        if match is None:
            found.append((one, None))
            continue
        found += [(None, other) for other in new[low:match]]
        found.append((one, new[match]))
        low = match + 1
    return found + [(None, other) for other in new[low:]]


def _likeness(one: Line, other: Line) -> float:
    return SequenceMatcher(None, _text(one), _text(other), autojunk=False).ratio()


def _line_change(one: Line | None, other: Line | None) -> LineChange:
    def change(name: str, read: Callable[[Line], float], unit: str) -> Change:
        before, after = (read(side) if side is not None else 0.0 for side in (one, other))
        return Change(name=name, before=before, after=after, unit=unit)

    return LineChange(
        text=_text(other) or _text(one),
        before_at=place(one),
        after_at=place(other),
        busy=change("busy", lambda line: max(line["busy_ns"].values(), default=0.0), "ns"),
        stall=change("stalled", lambda line: float(line["stall_ns"]), "ns"),
        moved=change("moved", lambda line: float(line["moved_bytes"]), "bytes"),
        executions=change("executions", lambda line: float(line["instructions"]), "1"),
    )


def place(line: Line | None) -> str | None:
    """``kernel.py:12``; None for no line."""
    if line is None:
        return None
    return f"{line['at']['file'].rsplit('/', 1)[-1]}:{line['at']['line']}" if line["at"] else "(no source)"
