"""Change: a what-if, ready to be placed and simulated: a program that differs as its writer could have made it."""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.program.ir import Loop, Program
from nki_sim.program.spans import SourceSpan


@dataclass(frozen=True, eq=False, kw_only=True)
class Change:
    """One what-if, ready to be placed and simulated.

    code      kind of change; of several with one `choice` only the best is kept
    lines     where the writer would make it
    how       what to write there
    replay    what was changed in the program, in words
    """

    code: str
    choice: str
    title: str
    lines: tuple[SourceSpan, ...]
    how: str
    replay: str
    program: Program


def is_loop_free(program: Program) -> bool:
    """Whether the device repeats nothing, so that a flat position is executed once."""
    return not any(isinstance(item, Loop) for item in program.body)
