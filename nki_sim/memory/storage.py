"""Bytes at addresses: the SBUF, PSUM and HBM storage of one run, and NumPy views of access patterns on it.

SBUF and PSUM are each one uint8 array of [128 partitions, row bytes], so tiles that share an address share bytes. The
host row is longer than the device partition (`row_bytes`); device addresses do not see the padding.

Non-goals: nothing here casts, computes, or checks static patterns; the checks room proves those before a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.ir import Register, TensorDecl
from nki_sim.targets import Target

Placement = Mapping[int, tuple[int, int]]
"""tensor.index -> (start partition, byte offset in the partition), for tensors in SBUF and PSUM."""

PADDING_BYTES = 320
ROW_ALIGN_BYTES = 64
# All ones is NaN in every float type and -1 in every signed one: arithmetic on bytes nobody wrote shows in the result.
UNDEFINED_BYTE = 0xFF


def row_bytes(usable_bytes: int) -> int:
    """Host bytes per partition: the usable bytes, padding so that partitions do not share cache sets, rounded up."""
    padded = usable_bytes + PADDING_BYTES
    return -(-padded // ROW_ALIGN_BYTES) * ROW_ALIGN_BYTES


def host_rows(target: Target, placement: Placement, tensors: Iterable[TensorDecl]) -> dict[str, int]:
    """Host bytes per partition of each on-chip memory; more than the device's when `placement` needs more.

    It does when every allocation has storage of its own (``memory="separate"``).
    """
    highest = {"sbuf": target.limit("sbuf_usable_bytes"), "psum": target.limit("psum_bytes")}
    for tensor in tensors:
        if tensor.space != "hbm" and tensor.index in placement:
            end = placement[tensor.index][1] + tensor.bytes_per_partition
            highest[tensor.space] = max(highest[tensor.space], end)
    return {space: row_bytes(size) for space, size in highest.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfBounds:
    """A run-time address that leaves its tensor.

    pattern  the operand that does
    value    the row number, or start, that was read
    limit    values from 0 to limit - 1 are legal
    row      which row of the index tile held it; None for a single start
    reach    set when the value is below the limit and yet its last element would lie outside the tensor
    """

    pattern: AccessPattern
    value: int
    limit: int
    row: int | None = None
    reach: bool = False


class UndefinedRegisterError(Exception):
    """A register was read before anything was written to it."""

    def __init__(self, register: Register) -> None:
        name = f" `{register.name}`" if register.name else ""
        super().__init__(f"register {register!r}{name} is read before it is written")
        self.register = register


@dataclass(slots=True)
class Registers:
    """The 32-bit registers of a run, by Register.index. Values are kept as signed 32-bit integers and wrap."""

    values: dict[int, int] = field(default_factory=dict)

    def __getitem__(self, register: Register) -> int:
        try:
            return self.values[register.index]
        except KeyError:
            raise UndefinedRegisterError(register) from None

    def __setitem__(self, register: Register, value: int) -> None:
        self.values[register.index] = ((int(value) + 2**31) & 0xFFFFFFFF) - 2**31


@dataclass(frozen=True, slots=True)
class Resolved:
    """A pattern with its run-time part worked out.

    start         element offset that replaces `pattern.offset`, for patterns without a vector offset
    rows          element offset of each row, for patterns with one
    in_bounds     which rows are legal; one entry for patterns without a vector offset
    violations    what is wrong with the others
    """

    start: int
    rows: tuple[int, ...] | None
    in_bounds: npt.NDArray[np.bool_]
    violations: tuple[OutOfBounds, ...]


class Memory:
    """The storage of one run.

    sbuf, psum   [128, row bytes] uint8
    hbm          by tensor index, C-contiguous, in the storage type of the tensor
    registers    scalar registers of the sequencers
    """

    def __init__(self, target: Target, placement: Placement, tensors: Iterable[TensorDecl]) -> None:
        partitions = target.limit("pmax")
        tensors = list(tensors)
        rows = host_rows(target, placement, tensors)
        self.sbuf = np.empty((partitions, rows["sbuf"]), np.uint8)
        self.psum = np.empty((partitions, rows["psum"]), np.uint8)
        self.placement = placement
        self.hbm: dict[int, npt.NDArray[Any]] = {}
        self.registers = Registers()
        self._used = {"sbuf": 0, "psum": 0}
        for tensor in tensors:
            if tensor.space != "hbm" and tensor.index in placement:
                end = placement[tensor.index][1] + tensor.bytes_per_partition
                self._used[tensor.space] = max(self._used[tensor.space], end)

    def start(self, hbm: Mapping[int, npt.NDArray[Any]], fill: int = UNDEFINED_BYTE) -> None:
        """Begin a run on these HBM arrays: what is on chip and in registers is undefined again."""
        self.hbm = dict(hbm)
        self.registers = Registers()
        # Only columns that hold tensors: filling the whole of SBUF for each run would dominate small programs.
        self.sbuf[:, : self._used["sbuf"]] = fill
        self.psum[:, : self._used["psum"]] = fill

    def base(self, tensor: TensorDecl) -> tuple[npt.NDArray[np.uint8], int]:
        """(flat bytes of the memory that holds `tensor`, byte position of the tensor's first element in them)."""
        if tensor.space == "hbm":
            return self.hbm[tensor.index].reshape(-1).view(np.uint8), 0
        room = self.sbuf if tensor.space == "sbuf" else self.psum
        partition, offset = self.placement[tensor.index]
        return room.reshape(-1), partition * room.shape[1] + offset

    def first_lane(self, pattern: AccessPattern) -> int:
        """The physical partition of the first row of an on-chip pattern."""
        assert pattern.partition is not None
        return self.placement[pattern.tensor.index][0] + pattern.partition[0]

    def view(self, pattern: AccessPattern, start: int | None = None) -> npt.NDArray[Any]:
        """A writable strided view of shape `pattern.shape` and type `pattern.dtype.storage`, aliasing the storage.

        `start` replaces the pattern's element offset (see `resolve`). Addresses need not be aligned; strides may be 0
        or overlap. Raises ValueError when an element lies outside the memory.
        """
        flat, base = self.base(pattern.tensor)
        size = pattern.dtype.itemsize
        base += (pattern.offset if start is None else start) * size
        strides = [stride * size for stride, _ in pattern.dims]
        if pattern.partition is not None:
            first, step, _ = pattern.partition
            pitch = (self.sbuf if pattern.space == "sbuf" else self.psum).shape[1]
            base += first * pitch
            strides.insert(0, step * pitch)
        view: npt.NDArray[Any] = np.ndarray(pattern.shape, pattern.dtype.storage, flat.data, base, strides)
        return view

    def resolve(self, pattern: AccessPattern) -> Resolved:
        """Read the registers and index tiles `pattern` depends on; say which of its rows are legal."""
        if pattern.vector is not None:
            return self._resolve_vector(pattern, pattern.vector)
        if pattern.dynamic is not None:
            return self._resolve_dynamic(pattern, pattern.dynamic)
        return Resolved(pattern.offset, None, np.ones(1, np.bool_), ())

    def _resolve_dynamic(self, pattern: AccessPattern, dynamic: DynamicOffset) -> Resolved:
        if isinstance(dynamic.source, Register):
            value = self.registers[dynamic.source]
        else:
            value = int(self.read(dynamic.source).reshape(-1)[0])
        start = pattern.offset + value * dynamic.multiplier
        in_range = 0 <= value < dynamic.limit
        if in_range and _inside(pattern, start, pattern.dims):
            return Resolved(start, None, np.ones(1, np.bool_), ())
        event = OutOfBounds(pattern=pattern, value=value, limit=dynamic.limit, reach=in_range)
        return Resolved(start, None, np.zeros(1, np.bool_), (event,))

    def _resolve_vector(self, pattern: AccessPattern, vector: VectorOffset) -> Resolved:
        starts: list[int] = []
        legal: list[bool] = []
        events: list[OutOfBounds] = []
        # The step of the leading dimension means nothing here: the index tile says where each row is.
        for row, number in enumerate(self.read(vector.index).reshape(-1)[: pattern.dims[0][1]]):
            value = int(number)
            start = pattern.offset + value * vector.multiplier
            in_range = 0 <= value < vector.limit
            inside = in_range and _inside(pattern, start, pattern.dims[1:])
            if not inside:
                events.append(OutOfBounds(pattern=pattern, value=value, limit=vector.limit, row=row, reach=in_range))
            starts.append(start)
            legal.append(inside)
        return Resolved(pattern.offset, tuple(starts), np.array(legal, np.bool_), tuple(events))

    def read(self, pattern: AccessPattern, resolved: Resolved | None = None) -> npt.NDArray[Any]:
        """A copy of the elements, shape `pattern.shape`; rows that are out of bounds are zero."""
        found = self.resolve(pattern) if resolved is None else resolved
        out = np.zeros(pattern.shape, pattern.dtype.storage)
        for place, view in self._pieces(pattern, found):
            out[place] = view
        return out

    def write(
        self,
        pattern: AccessPattern,
        values: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None = None,
        resolved: Resolved | None = None,
    ) -> None:
        """Store `values` (storage type, as many elements as the pattern) in row-major order.

        Elements where `where` is False, and rows out of bounds, keep what they hold. A row named twice keeps the later.
        """
        found = self.resolve(pattern) if resolved is None else resolved
        laid_out = values.reshape(pattern.shape)
        mask = None if where is None else where.reshape(pattern.shape)
        for place, view in self._pieces(pattern, found):
            np.copyto(view, laid_out[place], where=True if mask is None else mask[place])

    def _pieces(self, pattern: AccessPattern, found: Resolved) -> list[tuple[Any, npt.NDArray[Any]]]:
        """(index into an array of the pattern's shape, view of the storage) for everything that is in bounds."""
        if found.rows is None:
            return [(..., self.view(pattern, found.start))] if found.in_bounds[0] else []
        inner = pattern.replace(dims=pattern.dims[1:], vector=None)
        return [
            (row, self.view(inner, start))
            for row, (start, legal) in enumerate(zip(found.rows, found.in_bounds, strict=True))
            if legal
        ]


def _inside(pattern: AccessPattern, start: int, dims: tuple[tuple[int, int], ...]) -> bool:
    """Whether dims from element `start` stay in the tensor (per partition on chip)."""
    low, high = pattern.replace(offset=start, dims=dims).byte_extent()
    return low >= 0 and high <= pattern.tensor.bytes_per_partition
