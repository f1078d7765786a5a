"""Graph: what each executed instruction waited for, and who waited for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from nki_sim.profiler.app.tracks import Integers


@dataclass(frozen=True, slots=True)
class Link:
    """One dependence as seen from one end: the other end's instance, and whether only the place had to be free."""

    instance: int
    reuse: bool


class Graph:
    """Built once from Timeline.waits; both directions then cost as much as there are links."""

    __slots__ = ("_codes", "_consumers", "_offsets", "_waits")

    def __init__(self, waits: Sequence[tuple[int, ...]]) -> None:
        self._waits = waits
        lengths = np.fromiter(map(len, waits), np.int64, len(waits))
        codes = np.fromiter(chain.from_iterable(waits), np.int64, int(lengths.sum()))
        consumers = np.repeat(np.arange(len(waits)), lengths)
        order = np.argsort(codes >> 1, kind="stable")
        self._codes: Integers = codes[order]
        self._consumers: Integers = consumers[order]
        self._offsets: Integers = (self._codes >> 1).searchsorted(np.arange(len(waits) + 1))

    def predecessors(self, instance: int) -> list[Link]:
        """What `instance` waited for, in order of issue."""
        if not 0 <= instance < len(self._waits):
            return []
        return [Link(code >> 1, bool(code & 1)) for code in sorted(self._waits[instance])]

    def successors(self, instance: int, limit: int) -> list[Link]:
        """The first `limit` instances that waited for `instance`, in order of issue."""
        if not 0 <= instance < len(self._waits):
            return []
        low = int(self._offsets[instance])
        high = min(int(self._offsets[instance + 1]), low + limit)
        return [Link(int(self._consumers[i]), bool(self._codes[i] & 1)) for i in range(low, high)]

    def successor_count(self, instance: int) -> int:
        if not 0 <= instance < len(self._waits):
            return 0
        return int(self._offsets[instance + 1] - self._offsets[instance])
