"""Holders: whose bytes are at an address right now, when tensors placed on the same addresses follow each other.

A memory is a row of stretches, each with those who hold it. Claiming a place puts the claimer there and says who was;
a former holder that also has partitions outside of the place stays beside the new one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Generic, Protocol, TypeVar

Extent = tuple[int, int, int, int]
"""(first partition, end partition, first byte, end byte)."""


class Placed(Protocol):
    """Whatever has a place. Told apart by ==, which ought to be identity."""

    extent: Extent


Holder = TypeVar("Holder", bound=Placed)


class Holders(Generic[Holder]):
    """One memory."""

    __slots__ = ("_held", "_starts")

    def __init__(self) -> None:
        # Stretch i reaches from _starts[i] to the next start; the last one has no end.
        self._starts: list[int] = [0]
        self._held: list[tuple[Holder, ...]] = [()]

    def claim(self, holder: Holder) -> list[Holder]:
        """Give its place to `holder`; whoever held some byte of it before, by address, except `holder` itself."""
        first, last, low, high = holder.extent
        starts, held = self._starts, self._held
        begin = bisect_right(starts, low) - 1
        end = bisect_left(starts, high, begin + 1)
        former: list[Holder] = []
        beside = False
        for stretch in held[begin:end]:
            for one in stretch:
                if one not in former and one is not holder:
                    rows = one.extent
                    if rows[0] < last and first < rows[1]:
                        former.append(one)
                        beside = beside or rows[0] < first or last < rows[1]
                    else:
                        beside = True
        before, after = starts[begin] < low, end == len(starts) or starts[end] != high
        if beside:
            middle = [max(low, start) for start in starts[begin:end]]
            shared = [self._beside(stretch, holder) for stretch in held[begin:end]]
        elif not before and not after:
            starts[begin:end] = (low,)
            held[begin:end] = ((holder,),)
            return former
        else:
            middle, shared = [low], [(holder,)]
        if before:
            middle.insert(0, starts[begin])
            shared.insert(0, held[begin])
        if after:
            middle.append(high)
            shared.append(held[end - 1])
        starts[begin:end] = middle
        held[begin:end] = shared
        return former

    @staticmethod
    def _beside(stretch: tuple[Holder, ...], holder: Holder) -> tuple[Holder, ...]:
        """`holder`, and those of `stretch` that keep partitions outside of its place."""
        first, last = holder.extent[:2]
        kept = [one for one in stretch if one is not holder and (one.extent[0] < first or last < one.extent[1])]
        return (*kept, holder)
