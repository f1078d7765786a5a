"""Static analyses over a Program, one file each; every one returns Diagnostics and leaves raising to the caller.

`run` is the whole set in order. Analyses that follow bytes come after the bounds check and only if it found no error:
a pattern that leaves its tensor has no bytes to follow.
"""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.checks.accumulation import resolve
from nki_sim.checks.bounds import check_bounds
from nki_sim.checks.definedness import analyse_definedness
from nki_sim.checks.outputs import check_outputs
from nki_sim.checks.overlap import check_overlap
from nki_sim.diagnostics.model import Diagnostic, group
from nki_sim.memory.accesses import FlatProgram, flatten
from nki_sim.memory.allocate import Allocation
from nki_sim.program.ir import Program
from nki_sim.targets import Target

__all__ = ["Examination", "examine", "run"]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What all analyses say.

    data_decides   whether undefined bytes reach the caller depends on data: a run has to watch for it
    """

    diagnostics: list[Diagnostic]
    data_decides: bool = False


def run(
    program: Program, target: Target, allocation: Allocation, *, flat: FlatProgram | None = None
) -> list[Diagnostic]:
    """The findings of `examine`."""
    return examine(program, target, allocation, flat=flat).diagnostics


def examine(
    program: Program, target: Target, allocation: Allocation, *, flat: FlatProgram | None = None
) -> Examination:
    """All findings about `program`, grouped, errors and notes together, in the order of the passes.

    `allocation.diagnostics` are not repeated. As a side effect every nc_matmul's accumulate flag is resolved (see
    `accumulation.resolve`), unless a bounds error stops the passes before.
    """
    flat = flatten(program) if flat is None else flat
    found = check_bounds(flat, target, allocation)
    if any(d.severity == "error" and d.code == "bounds" for d in found):
        return Examination(diagnostics=group(found))
    found += resolve(program, target, flat=flat)
    definedness = analyse_definedness(flat, separate=allocation.separate)
    found += definedness.diagnostics
    found += check_outputs(flat, definedness)
    if not allocation.separate:
        found += check_overlap(flat)
    return Examination(diagnostics=group(found), data_decides=definedness.doubt)
