"""Change: a what-if, ready to be placed and simulated: a program that differs as its writer could have made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from nki_sim.profiler.body import Body
from nki_sim.program.ir import Program
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.timeline import Timeline


class Subject:
    """What the what-ifs look at: a run, and the program behind it, analysed once for all of them."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.body = Body(timeline.program)
        self.program = timeline.program


@dataclass(frozen=True, eq=False, kw_only=True)
class Change:
    """One what-if, ready to be placed and simulated.

    code      kind of change; of several with one `choice` only the best is kept
    lines     where the writer would make it
    how       what to write there
    replay    what was changed in the program, in words
    eases     whose work it lessens, as floors.floors names them; everybody else has at least as much to do as before
    in_place  whether tensors and their order of use stay, so that they stay in their places too
    room      of two variants of a choice, which needs more memory: what is too large once is too large beyond
    build     makes the program, which takes a while for a long one
    """

    code: str
    choice: str
    title: str
    lines: tuple[SourceSpan, ...]
    how: str
    replay: str
    eases: frozenset[str]
    build: Callable[[], Program]
    in_place: bool = False
    room: int = 0

    @cached_property
    def program(self) -> Program:
        return self.build()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTried:
    """A change that suggests itself but has no sound replay, or no gain; `why` says so, `lines` where it would be."""

    title: str
    why: str
    lines: tuple[SourceSpan, ...] = ()
