"""Finding: one habit that costs time; Run: a timeline as the rules that look for them want it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nki_sim.profiler.metrics import Metrics
from nki_sim.profiler.naming import spans_of
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import TRANSFER, TRIGGER
from nki_sim.timing.timeline import Timeline

_SHOWN_LINES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One habit.

    code      stable name of the rule
    message   one sentence with the numbers
    lines     the source lines that show it most, at most four
    evidence  the numbers behind the sentence, units in the names
    share     how much of the run is concerned, 0 to 1; orders the findings
    source    document of the rule and threshold
    """

    code: str
    message: str
    lines: tuple[SourceSpan, ...]
    evidence: Mapping[str, float]
    share: float
    source: str


@dataclass(frozen=True, eq=False)
class Run:
    """A timeline with what several rules need: time on its lane by static instruction."""

    timeline: Timeline
    metrics: Metrics
    busy: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        rows = self.timeline.rows
        rows = rows[(rows["kind"] != TRIGGER) & (rows["kind"] != TRANSFER)]
        busy = np.bincount(
            rows["instruction"], rows["issue_end_ns"] - rows["start_ns"], minlength=len(self.timeline.instructions)
        )
        object.__setattr__(self, "busy", busy)

    def lines(self, weights: Mapping[int, float]) -> tuple[SourceSpan, ...]:
        """The lines of these instructions, those with most weight first."""
        sites: dict[int, float] = {}
        for number, weight in weights.items():
            site = self.timeline.instructions[number].site
            sites[site] = sites.get(site, 0.0) + weight
        ordered = sorted(sites, key=lambda site: -sites[site])
        return spans_of(self.timeline.program, ordered)[:_SHOWN_LINES]

    def share(self, time_ns: float) -> float:
        return min(1.0, time_ns / self.timeline.total_ns) if self.timeline.total_ns else 0.0


Rule = Callable[[Run], Iterator[Finding]]
