"""SBUF and PSUM over time by address: which tensor holds which bytes from when to when. Read by text, app and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nki_sim.profiler.naming import named_at
from nki_sim.program.ir import TensorDecl
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.timeline import Timeline

if TYPE_CHECKING:
    from nki_sim.memory.allocate import Allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBlock:
    """One tensor in its place.

    name, span      as the kernel calls it, "%3" when it has no name; the line that says so
    first_partition, partitions     which partitions it takes
    start_byte, end_byte    its bytes within each of them
    first_ns, last_ns       start of the first and end of the last instruction during which its bytes must stay
    first, last     those instructions' positions in flat order
    """

    tensor: TensorDecl
    name: str
    span: SourceSpan | None
    first_partition: int
    partitions: int
    start_byte: int
    end_byte: int
    first_ns: float
    last_ns: float
    first: int
    last: int


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class MemoryMap:
    """One memory. `extent_bytes` is one past the highest byte taken; blocks come in order of their beginning."""

    space: str
    capacity_bytes: int
    extent_bytes: int
    partitions: int
    total_ns: float
    blocks: Sequence[MemoryBlock]

    def alive_at(self, time_ns: float) -> list[MemoryBlock]:
        """The tensors that hold bytes at a moment, by address."""
        found = [one for one in self.blocks if one.first_ns <= time_ns < one.last_ns]
        return sorted(found, key=lambda one: (one.start_byte, one.first_partition))

    def used_bytes(self, cells: int) -> npt.NDArray[np.float64]:
        """Mean bytes per partition held in each of `cells` equal slices of the time; shared bytes count twice."""
        return self.grid(1, cells, self.capacity_bytes).reshape(cells) * self.capacity_bytes

    def grid(self, bands: int, cells: int, high_byte: int | None = None) -> npt.NDArray[np.float64]:
        """Share of each band of addresses (row 0 lowest, up to `high_byte`) held in each slice of the time."""
        held = np.zeros((bands, cells))
        for one in self.blocks:
            rows, columns = self.place(one, bands, cells, high_byte)
            held += np.outer(rows, columns)
        return held

    def place(
        self, block: MemoryBlock, bands: int, cells: int, high_byte: int | None = None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(share of each band, share of each slice of the time) that `block` takes."""
        high = float(high_byte or self.extent_bytes or 1)
        rows = _shares(block.start_byte / high, block.end_byte / high, bands)
        total = self.total_ns or 1.0
        return rows, _shares(block.first_ns / total, block.last_ns / total, cells)


def _shares(low: float, high: float, parts: int) -> npt.NDArray[np.float64]:
    """How much of each of `parts` equal parts of [0, 1) the interval [low, high) covers."""
    edges = np.arange(parts + 1) / parts
    covered: npt.NDArray[np.float64] = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0.0, None)
    return covered * parts


def memory_maps(timeline: Timeline, allocation: Allocation | None) -> dict[str, MemoryMap]:
    """By space, "sbuf" and "psum"; empty when the tensors were not placed."""
    if allocation is None:
        return {}
    program, target = timeline.program, timeline.target
    begins, ends = _moments(timeline)
    found: dict[str, MemoryMap] = {}
    for space, peak in allocation.peaks.items():
        blocks = []
        for tensor in program.tensors:
            life = allocation.lives.get(tensor.index)
            if tensor.space != space or life is None:
                continue
            first_ns, last_ns = _extent(begins, ends, life.first, life.last)
            partition, start = allocation.placement[tensor.index]
            name, span = named_at(program, tensor)
            blocks.append(
                MemoryBlock(
                    tensor=tensor,
                    name=name,
                    span=span,
                    first_partition=partition,
                    partitions=tensor.partitions,
                    start_byte=start,
                    end_byte=start + tensor.bytes_per_partition,
                    first_ns=first_ns,
                    last_ns=last_ns,
                    first=life.first,
                    last=life.last,
                )
            )
        blocks.sort(key=lambda one: (one.first_ns, one.start_byte))
        found[space] = MemoryMap(
            space=space,
            capacity_bytes=peak.capacity_bytes,
            extent_bytes=allocation.extent_bytes[space],
            partitions=target.limit("pmax"),
            total_ns=timeline.total_ns,
            blocks=blocks,
        )
    return found


Moments = npt.NDArray[np.float64]


def _moments(timeline: Timeline) -> tuple[Moments, Moments]:
    """When each instruction first started and last ended; NaN for those that never ran."""
    count = len(timeline.instructions)
    begins, ends = np.full(count, np.inf), np.full(count, -np.inf)
    rows = timeline.rows
    np.minimum.at(begins, rows["instruction"], rows["start_ns"])
    np.maximum.at(ends, rows["instruction"], rows["end_ns"])
    begins[np.isinf(begins)] = np.nan
    ends[np.isinf(ends)] = np.nan
    return begins, ends


def _extent(begins: Moments, ends: Moments, first: int, last: int) -> tuple[float, float]:
    """From the start of instruction `first` to the end of `last`; what lies between may end later than `last`."""
    if np.isnan(begins[first]) or np.isnan(ends[last]):
        return 0.0, 0.0
    return float(begins[first]), float(max(begins[first], ends[last]))


def group_names(blocks: Sequence[MemoryBlock]) -> Mapping[str, list[MemoryBlock]]:
    """Blocks of one name and allocation line together, those that take most byte-time first."""
    groups: dict[str, list[MemoryBlock]] = {}
    for one in blocks:
        groups.setdefault(one.name if one.span is None else f"{one.name}:{one.span.line}", []).append(one)

    def weight(found: list[MemoryBlock]) -> float:
        return sum((one.end_byte - one.start_byte) * (one.last_ns - one.first_ns) for one in found)

    return dict(sorted(groups.items(), key=lambda pair: -weight(pair[1])))
