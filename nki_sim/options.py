"""KernelOptions: everything that changes what a kernel call does, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nki_sim import targets

ENGINES = ("jit", "reference")
MEMORIES = ("shared", "separate")
SCHEDULES = ("program", "hoisting")
DIALECTS = ("nki", "nki-0.2", "beta1")


@dataclass(frozen=True, kw_only=True)
class KernelOptions:
    """How a kernel is built and run.

    target    "trn1", "inf2", "trn2" or "trn3" (or gen2, gen3, gen4)
    engine    "jit" runs native code, "reference" the NumPy functions: slow, obvious
    precise   False keeps float32 throughout, to tell an algorithmic bug from a rounding effect
    schedule  "program": each engine in program order; "hoisting": loads run ahead of it, as the older compiler let them
    memory    "shared": bytes at addresses, as on the device; "separate": each allocation its own storage
    dialect   which documents' Python is accepted: "nki" (today's), "nki-0.2" or "beta1"
    """

    target: str = targets.DEFAULT
    engine: Literal["jit", "reference"] = "jit"
    precise: bool = True
    schedule: Literal["program", "hoisting"] = "program"
    memory: Literal["shared", "separate"] = "shared"
    dialect: str = "nki"

    def __post_init__(self) -> None:
        targets.load(self.target)
        for name, value, known in (
            ("engine", self.engine, ENGINES),
            ("memory", self.memory, MEMORIES),
            ("schedule", self.schedule, SCHEDULES),
            ("dialect", self.dialect, DIALECTS),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
