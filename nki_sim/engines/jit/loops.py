"""Loop nests over several operands at once, as pure arithmetic on (stride, count) lists: no LLVM here.

Operands have equal element counts but may differ in rank; elements correspond in row-major order. `plan` finds one nest
that walks all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from nki_sim.engines.jit.layout import Dims

LANES = 16
"""Elements per vector step. Fixed, not the host's width: results then do not depend on the host, and LLVM splits."""


@dataclass(frozen=True, slots=True)
class Level:
    """One loop: `count` passes; `strides` per operand."""

    count: int
    strides: tuple[int, ...]


def plan(operands: Sequence[Dims]) -> tuple[Level, ...] | None:
    """The loops, outermost first, with as few levels as possible; None when no common nest exists.

    That is the case for (2, 3) against (3, 2) elements with strides that do not merge: one of them has to be copied
    into contiguous storage first.
    """
    levels = _refine([list(_coalesced(dims)) for dims in operands])
    if levels is None:
        return None
    return _merged(levels)


def _coalesced(dims: Dims) -> Dims:
    out: list[tuple[int, int]] = []
    for stride, count in dims:
        if count == 1:
            continue
        if out and out[-1][0] == stride * count:
            out[-1] = (stride, out[-1][1] * count)
        else:
            out.append((stride, count))
    return tuple(out)


def _refine(stacks: list[list[tuple[int, int]]]) -> list[Level] | None:
    """Split dimensions, innermost first, until all operands have the same counts."""
    inner_first: list[Level] = []
    while any(stacks):
        if not all(stacks):
            return None
        counts = [stack[-1][1] for stack in stacks]
        common = counts[0]
        for count in counts[1:]:
            common = gcd(common, count)
        if common == 1 or common != min(counts):
            return None
        strides: list[int] = []
        for stack in stacks:
            stride, count = stack.pop()
            strides.append(stride)
            if count != common:
                stack.append((stride * common, count // common))
        inner_first.append(Level(common, tuple(strides)))
    return inner_first[::-1]


def _merged(levels: list[Level]) -> tuple[Level, ...]:
    out: list[Level] = []
    for level in levels:
        if out and all(o == s * level.count for o, s in zip(out[-1].strides, level.strides, strict=True)):
            out[-1] = Level(out[-1].count * level.count, level.strides)
        else:
            out.append(level)
    return tuple(out)


def innermost_last(levels: tuple[Level, ...], itemsizes: Sequence[int]) -> tuple[Level, ...]:
    """The levels reordered so that the best one to vectorise comes last; only for walks whose order does not matter.

    itemsizes   element size per operand; 0 for operands that are not memory

    Best is the level that fills vectors with unit strides; a long strided level beats a short contiguous one.
    """
    if len(levels) < 2:
        return levels

    def cost(level: Level) -> float:
        vectors = -(-level.count // LANES)
        per_vector = 0.0
        for stride, size in zip(level.strides, itemsizes, strict=True):
            active = min(level.count, LANES)
            per_vector += 1.0 if size == 0 or stride in (0, size) else active * 1.5
        return (per_vector + 2.0) * vectors / level.count

    best = min(range(len(levels)), key=lambda i: (cost(levels[i]), -i))
    if best == len(levels) - 1:
        return levels
    return (*levels[:best], *levels[best + 1 :], levels[best])
