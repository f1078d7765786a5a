"""The timing model: a program and where its tensors live in, a Timeline out. Needs no data unless a loop bound does."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from nki_sim.program.ir import Program
from nki_sim.targets import Target
from nki_sim.timing.expand import TripCountError
from nki_sim.timing.plan import Placement, prepare
from nki_sim.timing.schedule import Scheduler
from nki_sim.timing.timeline import Timeline

Schedule = Literal["program"]

__all__ = ["Placement", "Schedule", "Timeline", "TripCountError", "simulate"]


def simulate(
    program: Program,
    placement: Placement | None,
    target: Target,
    *,
    trips: Mapping[int, int] | None = None,
    schedule: Schedule = "program",
) -> Timeline:
    """The times of one run of `program` on `target`.

    placement   where SBUF and PSUM tensors live (memory.allocate); None: each in a place of its own
    trips       id(loop) -> passes, for loops whose trip count only the data decide
    schedule    "program": each engine runs its instructions in program order

    Raises TripCountError for a loop that `trips` should have an entry for. Non-goals: values, checks of the program.
    """
    if schedule != "program":
        raise ValueError(f"unknown schedule {schedule!r}; there is 'program'")
    with _no_collection():
        return Scheduler(prepare(program, placement, target, trips)).run()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the garbage collector off: all that is built here is kept, scanning it over and over triples the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
