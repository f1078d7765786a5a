"""The functions of nisa that are no instructions: they act while the kernel is being traced."""

from __future__ import annotations

from typing import Any

from nki_sim.frontend.recorder import current
from nki_sim.isa.constants import nc_version


def register_alloc(x: int | None = None) -> Any:
    """A new 32-bit register, set to `x` unless that is None.

    Source: nki.isa.register_alloc. Non-goals: the number of physical registers (64 per sequencer) is not checked.
    """
    from nki_sim.language import registers  # the language is written in terms of nisa

    return registers.register_alloc(x)


def get_nc_version() -> nc_version:
    """The generation of the target that the kernel is being specialised for. Source: nki.isa.get_nc_version."""
    return nc_version(current().target.generation)
