"""The timing model: a program and where its tensors live in, a Timeline out. Needs no data unless a loop bound does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nki_sim.program.collection import no_collection
from nki_sim.program.ir import Program
from nki_sim.targets import Target
from nki_sim.timing.expand import TripCountError
from nki_sim.timing.plan import Placement, prepare
from nki_sim.timing.schedule import Scheduler
from nki_sim.timing.timeline import Timeline

Schedule = Literal["program", "hoisting"]

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
                "hoisting": loads are triggered as soon as their buffers are free, whatever stands before them

    Raises TripCountError for a loop that `trips` should have an entry for. Non-goals: values, checks of the program.
    """
    if schedule not in ("program", "hoisting"):
        raise ValueError(f"unknown schedule {schedule!r}; there are 'program' and 'hoisting'")
    with no_collection():
        return Scheduler(prepare(program, placement, target, trips), hoisting=schedule == "hoisting").run()
