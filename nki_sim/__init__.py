"""nki_sim: write an AWS NKI kernel, have it checked, run and timed on a laptop.

from nki_sim import kernel
import nki_sim.language as nl
import nki_sim.isa as nisa
"""

from __future__ import annotations

from nki_sim.diagnostics.model import (
    BoundsError,
    CapacityError,
    Diagnostic,
    DtypeError,
    KernelError,
    LanguageError,
    NkiSimError,
    NotImplementedYet,
    PlacementError,
    RaceError,
    ShapeError,
    UndocumentedBehaviour,
    UninitialisedError,
)
from nki_sim.kernel import Kernel, kernel
from nki_sim.options import KernelOptions

__version__ = "0.1.0"

__all__ = [
    "BoundsError",
    "CapacityError",
    "Diagnostic",
    "DtypeError",
    "Kernel",
    "KernelError",
    "KernelOptions",
    "LanguageError",
    "NkiSimError",
    "NotImplementedYet",
    "PlacementError",
    "RaceError",
    "ShapeError",
    "UndocumentedBehaviour",
    "UninitialisedError",
    "kernel",
]
