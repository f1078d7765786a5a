"""Profile: one simulated run, ready to be read by people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nki_sim.profiler import bottleneck, findings
from nki_sim.profiler.advice import Advice, Advised, Simulated, advise, reproduces
from nki_sim.profiler.critical_path import CriticalPath, find_critical_path
from nki_sim.profiler.findings import Finding
from nki_sim.profiler.lines import LineUse, by_line
from nki_sim.profiler.memory_map import MemoryMap, memory_maps
from nki_sim.profiler.metrics import Metrics, Reload, measure, reloads
from nki_sim.profiler.roofline import Roofline, roofline
from nki_sim.profiler.stalls import EngineTime, Stall, find_stalls, time_by_engine
from nki_sim.program.ir import Program
from nki_sim.targets import Target
from nki_sim.timing.lanes import ENGINES, LANES
from nki_sim.timing.timeline import Timeline, busy_ns

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from nki_sim.memory.allocate import Allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUse:
    """One engine's share of a run. For "dma", busy_ns is the time of all DMA engines as if they worked together.

    dma_triggers   transfers it asked for, which keeps it busy too; no instructions of its own
    """

    busy_ns: float
    active_ratio: float
    instructions: int
    dma_triggers: int = 0

    def executed(self, trigger: str = "DMA trigger") -> str:
        """``16``, ``36 DMA triggers``, ``16 + 4 DMA triggers``."""
        triggers = f"{self.dma_triggers:,} {trigger}{'' if self.dma_triggers == 1 else 's'}"
        if not self.dma_triggers:
            return f"{self.instructions:,}"
        return f"{self.instructions:,} + {triggers}" if self.instructions else triggers


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """High-water mark of one on-chip memory, bytes per partition."""

    peak_bytes: int
    capacity_bytes: int


class Profile:
    """What a run took and why. `run` is the Timeline behind it; `timeline` its rows (see timing.timeline.ROW).

    total_ns is the kernel body; launch_ns, the runtime's overhead around it, is reported apart. `simulated` is
    how `simulate` was told to run, for replays.
    """

    def __init__(
        self,
        program: Program,
        timeline: Timeline,
        target: Target,
        *,
        allocation: Allocation | None = None,
        simulated: Simulated | None = None,
    ) -> None:
        self.program = program
        self.run = timeline
        self.target = target
        self._allocation = allocation
        self._simulated = simulated or Simulated()

    @property
    def total_ns(self) -> float:
        return self.run.total_ns

    @property
    def launch_ns(self) -> float:
        return self.run.launch_ns

    @property
    def allocation(self) -> Allocation | None:
        """Where the on-chip tensors lie and when they live; None when they were not placed."""
        return self._allocation

    @property
    def timeline(self) -> npt.NDArray[Any]:
        """Structured array, one row per machine instruction or transfer."""
        return self.run.rows

    @cached_property
    def engines(self) -> dict[str, EngineUse]:
        """By name: tensor, vector, scalar, gpsimd, sync, and dma for the DMA engines together."""
        run = self.run
        executed = np.zeros(len(LANES), np.int64)
        triggers = [0] * ENGINES
        for work, count in zip(run.works, run.counts.tolist(), strict=True):
            if work is not None:
                executed[work.lane] += count
                if work.transfer is not None:
                    triggers[work.transfer.trigger] += count
        found: dict[str, EngineUse] = {}
        for lane, name in enumerate(LANES[:ENGINES]):
            found[name] = self._use(busy_ns(run.rows[run.rows["lane"] == lane]), int(executed[lane]), triggers[lane])
        found["dma"] = self._use(run.dma_busy_ns, int(executed[ENGINES:].sum()))
        return found

    def _use(self, busy: float, instructions: int, triggers: int = 0) -> EngineUse:
        ratio = min(1.0, busy / self.total_ns) if self.total_ns else 0.0
        return EngineUse(busy_ns=busy, active_ratio=ratio, instructions=instructions, dma_triggers=triggers)

    @cached_property
    def metrics(self) -> Metrics:
        return measure(self.run)

    @cached_property
    def reloads(self) -> list[Reload]:
        """HBM tensors read, most often first."""
        return reloads(self.run)

    @cached_property
    def stalls(self) -> list[Stall]:
        """Waits of the compute engines, added up by line and cause, longest first."""
        return find_stalls(self.run)

    @cached_property
    def engine_times(self) -> list[EngineTime]:
        """Where the time of each engine went: at work, waiting and for what, done."""
        return time_by_engine(self.run)

    @cached_property
    def critical_path(self) -> CriticalPath:
        """The chain of work and waits that the total is the length of."""
        return find_critical_path(self.run)

    @cached_property
    def roofline(self) -> Roofline:
        return roofline(self.run, self.metrics)

    @cached_property
    def memory_map(self) -> dict[str, MemoryMap]:
        """Which tensor holds which bytes when, by space; empty when the tensors were not placed."""
        return memory_maps(self.run, self._allocation)

    @cached_property
    def findings(self) -> list[Finding]:
        """Habits that cost time, those that concern most of the run first."""
        return findings.find(self.run, self.metrics)

    def advice(self) -> list[Advice]:
        """What would make it faster, by gain; every gain is the result of a replay. Worked out at the first call."""
        return list(self.advised.found)

    @cached_property
    def replayable(self) -> bool:
        """Whether replaying the program as it is gives the profiled time; without that there is no advice."""
        return reproduces(self.run, self._simulated, self._allocation)

    @cached_property
    def advised(self) -> Advised:
        """The advice, and the changes that were thought of but gain nothing or were not replayed."""
        if not self.replayable:
            return Advised()
        placement = None if self._allocation is None or self._allocation.separate else self._allocation.placement
        return advise(self.run, self._simulated, placement=placement)

    @cached_property
    def lines(self) -> list[LineUse]:
        """Time by source line, most first."""
        return by_line(self.run)

    @cached_property
    def memory(self) -> dict[str, MemoryUse]:
        """By space, "sbuf" and "psum"; empty when the tensors were not placed."""
        if self._allocation is None:
            return {}
        return {
            space: MemoryUse(peak_bytes=peak.bytes, capacity_bytes=peak.capacity_bytes)
            for space, peak in self._allocation.peaks.items()
        }

    @cached_property
    def bottleneck(self) -> str:
        """One sentence: what bounds this run."""
        return bottleneck.describe(self.run, self.engines, self.metrics, self.reloads, self.stalls)

    def to_json(self) -> dict[str, Any]:
        """The profile as plain values, versioned, units in the names; see reporters.json."""
        from nki_sim.profiler.reporters.json import to_json

        return to_json(self)

    def render(self, width: int, *, full: bool = False) -> Iterator[RenderableType]:
        """The report, `width` characters wide; `full` adds definitions, all findings, path, roofline and memory."""
        from nki_sim.profiler.reporters import report

        return report.render(self, width, full=full)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.render(options.max_width)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from nki_sim.profiler.reporters.html import fragment

        return fragment(self)

    def __repr__(self) -> str:
        return f"<profile of {self.program.name} on {self.target.name}: {self.total_ns:.0f} ns>"
