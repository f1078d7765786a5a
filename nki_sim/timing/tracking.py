"""Tracking: runs timing/dependences.py over the accesses of a program, as Python or compiled."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.program.ir import TensorDecl
from nki_sim.timing import dependences, holders
from nki_sim.timing.compiled import code
from nki_sim.timing.regions import Region, Shapes, whole

Predecessors = tuple[int, ...]
"""2 * instance + (READ_AFTER_WRITE or REUSE), the latest of an in-order engine only. Integers: there are many."""

Numbers = npt.NDArray[np.int64]

_MEET = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 10)


@dataclass(slots=True)
class Tape:
    """The accesses of a program in order.

    numbers   see dependences.follow
    regions   the number of each region, in order of number
    count     instances on it
    """

    numbers: list[int] = field(default_factory=list)
    regions: dict[Region, int] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The tensors of a program as dependences.describe takes them, and the number of stretches of each memory."""

    tensors: Numbers
    stretches: list[int]


def layout_of(
    tensors: Sequence[TensorDecl],
    placement: Mapping[int, tuple[int, int]],
    never_written: Callable[[TensorDecl], bool],
) -> Layout:
    memories: dict[str, int] = {}
    table: list[int] = []
    for tensor in tensors:
        _, height, _, width, _ = whole(tensor)
        place = placement.get(tensor.index)
        row, byte = place or (0, 0)
        memory = -1 if place is None else memories.setdefault(tensor.space, len(memories))
        table += (height, width, row, row + height, byte, byte + width, 0, 0, memory, not never_written(tensor))
    numbers = np.array(table, np.int64).reshape(-1, 10)
    stretches = []
    for memory in range(len(memories)):
        inside = numbers[:, 8] == memory
        cuts = np.unique(numbers[inside, 4:6])
        numbers[inside, 6] = np.searchsorted(cuts, numbers[inside, 4])
        numbers[inside, 7] = np.searchsorted(cuts, numbers[inside, 5])
        stretches.append(len(cuts) - 1)
    return Layout(numbers, stretches)


def waits_of(tape: Tape, layout: Layout, shapes: Shapes, in_order: int, *, compiled: bool) -> list[Predecessors]:
    """What each instance on the tape waits for; `compiled`: how to find out."""
    codes, counts = (_run_compiled if compiled else _run)(tape, layout, shapes, in_order)
    ends = accumulate(counts)
    return [tuple(codes[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _meet(shapes: Shapes) -> Callable[..., bool]:
    return lambda *numbers: shapes.meet(numbers[:5], numbers[5:])


def _run(tape: Tape, layout: Layout, shapes: Shapes, in_order: int) -> tuple[list[int], list[int]]:
    """(all waits one after another, the number of each instance's)."""
    states: list[Any] = [None] * len(layout.tensors)
    patches: list[Any] = [None] * len(tape.regions)
    memories: list[list[holders.Holder | None]] = [[None] * size for size in layout.stretches]
    tracks, seen, counts = ([0] * tape.count for _ in range(3))
    latest = [-1] * in_order
    tracking = dependences.begin(states, memories, patches, _meet(shapes), in_order, tracks, latest, seen, counts)
    regions = [number for region in tape.regions for number in region]
    dependences.describe(tracking, layout.tensors.ravel().tolist(), len(states), regions, len(patches))
    codes = [0] * dependences.follow(tracking, tape.numbers, tape.count)
    dependences.unload(tracking, codes)
    return codes, counts


def _run_compiled(tape: Tape, layout: Layout, shapes: Shapes, in_order: int) -> tuple[list[int], list[int]]:
    """As `_run`; lists and functions are given by their addresses."""
    from nki_sim.timing.native.link import Memory

    entries = code().entries
    memory = Memory()
    states = np.zeros(len(layout.tensors), np.int64)
    patches = np.zeros(len(tape.regions), np.int64)
    stretches = [np.zeros(size, np.int64) for size in layout.stretches]
    memories = np.array([one.ctypes.data for one in stretches], np.int64)
    tracks, seen, counts = np.zeros((3, tape.count), np.int64)
    latest = np.full(in_order, -1, np.int64)
    meet = _MEET(_meet(shapes))
    tracking = entries["begin"](
        memory.context,
        states.ctypes.data,
        memories.ctypes.data,
        patches.ctypes.data,
        ctypes.cast(meet, ctypes.c_void_p).value or 0,
        in_order,
        tracks.ctypes.data,
        latest.ctypes.data,
        seen.ctypes.data,
        counts.ctypes.data,
    )
    regions = np.array(list(tape.regions), np.int64)
    tensors = layout.tensors.ctypes.data
    entries["describe"](memory.context, tracking, tensors, len(states), regions.ctypes.data, len(patches))
    numbers = np.array(tape.numbers, np.int64)
    codes = np.zeros(entries["follow"](memory.context, tracking, numbers.ctypes.data, tape.count), np.int64)
    entries["unload"](memory.context, tracking, codes.ctypes.data)
    return codes.tolist(), counts.tolist()
