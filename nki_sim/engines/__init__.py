"""The engines that run a Program: the NumPy reference and the JIT, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy.typing as npt

from nki_sim.memory.storage import Placement
from nki_sim.program.ir import Program
from nki_sim.targets import Target


class Runner(Protocol):
    """A prepared program. May be called any number of times; on-chip memory is undefined at the start of each.

    trips   id(loop) -> iterations the loop made in the last run, summed over all times it was entered
    """

    trips: dict[int, int]

    def __call__(
        self, hbm: dict[int, npt.NDArray[Any]], on_print: Callable[[str], None], fill: int | None = None
    ) -> None:
        """Run. `hbm` holds a C-contiguous array in storage type for every HBM tensor, by index; written in place.

        On-chip memory starts with every byte `fill`; with None it may hold anything.

        Raises BoundsError for a data-dependent address outside its tensor.
        """


class Engine(Protocol):
    """What an engine module offers."""

    def prepare(self, program: Program, placement: Placement, target: Target) -> Runner:
        """Make `program` ready to run with its on-chip tensors at `placement`."""


__all__ = ["Engine", "Placement", "Runner"]
