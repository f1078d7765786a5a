"""ReferenceCall: how a family's reference function sees one execution of its instruction.

Values come and go as NumPy arrays in row-major order of the operand's shape; where the bytes are is the engine's
affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType, cast, float32
from nki_sim.program.ir import Operand, Register
from nki_sim.targets import Target

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


@dataclass(slots=True)
class Accumulators:
    """The reduction registers of the engines, one float32 per lane, that live from one instruction to the next.

    scalar  shared by activation and activation_reduce (nki.isa.activation, "reduce_regs")
    vector  shared by the reducing instructions of the Vector Engine

    Undefined (NaN) until an instruction resets them.
    """

    scalar: Float32 = field(default_factory=lambda: np.full(128, np.nan, np.float32))
    vector: Float32 = field(default_factory=lambda: np.full(128, np.nan, np.float32))


class RegisterFile(Protocol):
    """The sequencer registers of a run: signed 32-bit values that wrap."""

    def __getitem__(self, register: Register) -> int: ...

    def __setitem__(self, register: Register, value: int) -> None: ...


class ReferenceCall(Protocol):
    """One execution of an instruction.

    engine        "tensor", "vector", "scalar", "gpsimd", "sync" or "dma"
    attributes    as in the Instruction
    accumulators  reduction registers, kept across calls
    registers     sequencer registers, by Register
    """

    engine: str
    target: Target
    attributes: Mapping[str, Any]
    accumulators: Accumulators

    @property
    def registers(self) -> RegisterFile: ...

    def operand(self, name: str) -> Operand:
        """The operand as recorded; None when it is absent."""

    def pattern(self, name: str) -> AccessPattern:
        """The operand, which has to be a tile."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tile operand."""

    def dtype(self, name: str) -> DType:
        """The data type of a tile operand."""

    def lanes(self, name: str) -> npt.NDArray[np.intp]:
        """The physical partition of each row of an on-chip tile: the lane of the engine that handles it."""

    def read(self, name: str) -> Array:
        """A copy of the tile in its storage type."""

    def read_f32(self, name: str) -> Float32:
        """A copy of the tile as an engine reads it for arithmetic."""

    def scalar_or_tile(self, name: str, like: str = "data") -> Float32:
        """A float32 scalar, or a (P, 1) tile shaped to broadcast over the free dimensions of tile `like`."""

    def in_bounds(self, name: str) -> npt.NDArray[np.bool_]:
        """Per element of the tile, whether its run-time address is legal (only with oob_mode "skip" can one not be)."""

    def write(self, name: str, values: Float32) -> None:
        """Store float32 values, cast to the tile's type with one rounding."""

    def write_raw(self, name: str, values: Array, where: npt.NDArray[np.bool_] | None = None) -> None:
        """Store values of the tile's storage type bit for bit, where `where` says so (everywhere when None)."""

    def print(self, text: str) -> None:
        """Give a line to whoever listens to the run."""

    def undocumented(self, message: str) -> NoReturn:
        """Raise UndocumentedBehaviour at this instruction."""


Reference = Callable[[ReferenceCall], None]


def as_storage(value: float | int, dtype: DType) -> Array:
    """A constant as `dtype`, in its storage type, shape (): integers exactly, saturated; all else through float32."""
    if dtype.is_integer and float(value).is_integer():
        limits = np.iinfo(dtype.storage)
        return np.array(min(max(int(value), int(limits.min)), int(limits.max)), dtype.storage)
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return np.asarray(cast(np.array(single), float32, dtype))


def printed(prefix: str, values: Array) -> str:
    """The text device_print gives for a tile: prefix, then the values as NumPy shows them."""
    text = np.array2string(values, separator=" ", threshold=1000, max_line_width=120)
    return f"{prefix}{'' if prefix.endswith((' ', chr(10))) or not prefix else ' '}{text}"
