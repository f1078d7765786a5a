"""Memory regions (nl.sbuf, nl.psum, nl.hbm, ...) and the questions asked about them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from nki_sim.program.ir import Space

if TYPE_CHECKING:
    from nki_sim.language.tensor import ndarray


class MemoryRegion(str, Enum):
    """Where a tensor lives. Compares equal to its name."""

    sbuf = "sbuf"
    psum = "psum"
    private_hbm = "private_hbm"
    shared_hbm = "shared_hbm"

    def __repr__(self) -> str:
        return f"nl.{self.value}"

    __str__ = __repr__

    @property
    def space(self) -> Space:
        return "sbuf" if self is MemoryRegion.sbuf else "psum" if self is MemoryRegion.psum else "hbm"


sbuf = MemoryRegion.sbuf
psum = MemoryRegion.psum
private_hbm = MemoryRegion.private_hbm
shared_hbm = MemoryRegion.shared_hbm
hbm = private_hbm
ON_CHIP = (sbuf, psum)


def region_of(buffer: object) -> MemoryRegion:
    """The region that `buffer` (a region, its name, or a tensor) stands for. Raises ValueError when it is none."""
    if isinstance(buffer, MemoryRegion):
        return buffer
    found = getattr(buffer, "buffer", None)
    if isinstance(found, MemoryRegion):
        return found
    name = "private_hbm" if buffer == "hbm" else buffer
    return MemoryRegion(name)


def is_hbm(buffer: MemoryRegion | ndarray | str) -> bool:
    """Whether `buffer` is any HBM region."""
    return region_of(buffer).space == "hbm"


def is_on_chip(buffer: MemoryRegion | ndarray | str) -> bool:
    """Whether `buffer` is SBUF or PSUM."""
    return region_of(buffer).space != "hbm"


def is_psum(buffer: MemoryRegion | ndarray | str) -> bool:
    return region_of(buffer) is MemoryRegion.psum


def is_sbuf(buffer: MemoryRegion | ndarray | str) -> bool:
    return region_of(buffer) is MemoryRegion.sbuf
