"""Tensors with initial values, loads, stores, printing, and what a kernel may ask about its launch."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

from nki_sim import isa as nisa
from nki_sim.frontend.recorder import current, emit
from nki_sim.language.buffers import MemoryRegion, region_of
from nki_sim.language.failure import a_type, fail
from nki_sim.language.tensor import ndarray

_FILL_ELEMENTS = 2048


def full(shape: Any, fill_value: float, dtype: Any, buffer: Any = MemoryRegion.sbuf, name: str = "") -> ndarray:
    """A new tensor filled with one value; in HBM by way of an SBUF tile."""
    out = ndarray(shape, dtype, buffer, name)
    value: float = fill_value
    if not out.dtype.is_float and isinstance(fill_value, float) and fill_value.is_integer():
        value = int(fill_value)
    if region_of(buffer).space != "hbm":
        nisa.memset(out, value)
        return out
    flat = out.reshape((out.size,))
    rows = math.gcd(out.size, current().target.limit("pmax"))
    columns = out.size // rows
    width = min(columns, _FILL_ELEMENTS)
    tile = ndarray((rows, width), out.dtype)
    nisa.memset(tile, value)
    for start in range(0, columns, width):
        size = min(width, columns - start)
        target = flat.ap([[columns, rows], [1, size]], offset=start)
        nisa.dma_copy(target, tile[:, 0:size])
    return out


def zeros(shape: Any, dtype: Any, buffer: Any = MemoryRegion.sbuf, name: str = "") -> ndarray:
    """A new tensor of zeros."""
    return full(shape, 0.0, dtype, buffer, name)


def ones(shape: Any, dtype: Any, buffer: Any = MemoryRegion.sbuf, name: str = "") -> ndarray:
    """A new tensor of ones."""
    return full(shape, 1.0, dtype, buffer, name)


def zeros_like(x: ndarray, dtype: Any = None, buffer: Any = None, name: str = "") -> ndarray:
    """A new tensor of zeros with the shape, and unless given the dtype and buffer, of x."""
    return zeros(x.shape, x.dtype if dtype is None else dtype, x.buffer if buffer is None else buffer, name)


def empty_like(x: ndarray, dtype: Any = None, buffer: Any = None, name: str = "") -> ndarray:
    """A new tensor of undefined contents with the shape, and unless given the dtype and buffer, of x."""
    return ndarray(x.shape, x.dtype if dtype is None else dtype, x.buffer if buffer is None else buffer, name)


def load(src: ndarray, dtype: Any = None) -> ndarray:
    """A new SBUF tile with the values of an HBM tensor; dimension 0 becomes the partition dimension (at most 128)."""
    _need("load", "src", src, "hbm")
    if src.ndim < 2:
        fail(
            "shape",
            f"nl.load: src is {list(src.shape)}; a tile needs a partition and a free dimension",
            fix=f"load src.reshape((1, {src.size})) or src.reshape(({src.size}, 1))",
        )
    tile = ndarray(src.shape, src.dtype if dtype is None else dtype)
    nisa.dma_copy(tile, src)
    return tile


def store(dst: ndarray, value: ndarray) -> None:
    """Write an SBUF tile to an HBM tensor."""
    _need("store", "dst", dst, "hbm")
    if not isinstance(value, ndarray):
        fail(
            "language-operand",
            f"nl.store: value is {a_type(value)}; it must be an SBUF tile",
            fix="fill a tile with nl.full or nisa.memset and store that" if isinstance(value, (int, float)) else "",
        )
    nisa.dma_copy(dst, value)


def _need(function: str, name: str, tensor: Any, space: str) -> None:
    if not isinstance(tensor, ndarray):
        fail(
            "language-operand",
            f"nl.{function}: {name} is {a_type(tensor)}; it must be a tensor",
            fix=f"pass an HBM tensor as {name}: an argument of the kernel or an nl.ndarray",
        )
    if tensor.buffer.space != space:
        fail(
            "placement",
            f"nl.{function}: {name} is in {tensor.buffer.value}; it must be in {space}",
            facts=("nl.load and nl.store move data between HBM and SBUF (nki.language)",),
            fix="copy between on-chip tensors with nisa.tensor_copy",
        )


def device_print(print_prefix: str, tensor: ndarray) -> None:
    """Print `print_prefix` and the values of a tensor in SBUF or HBM while the kernel runs."""
    emit("device_print", {"tensor": tensor}, {"print_prefix": str(print_prefix)}, None)


def program_id(axis: int = 0) -> int:
    """Index of this program in the launch grid: 0, as there is one program."""
    return 0


def num_programs(axes: Any = 0) -> int:
    """Number of programs in the launch grid: 1."""
    return 1


def program_ndim() -> int:
    """Number of dimensions of the launch grid: 0, there is none."""
    return 0


class no_reorder:  # noqa: N801 - the name is NKI's
    """``with nl.no_reorder():`` keeps program order, which nki_sim keeps anyway. Also accepted as a bare call."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
