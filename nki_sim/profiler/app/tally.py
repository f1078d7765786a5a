"""Tally: sums by group over any stretch of rows, from running totals kept once per block of rows."""

from __future__ import annotations

import numpy as np

from nki_sim.profiler.app.tracks import Floats, Integers

LEAST_BLOCK = 128


class Tally:
    """`within(low, high)` adds up `weight` by `group` for rows low to high; it reads at most two blocks of rows.

    A block has at least as many rows as there are groups, so the running totals take no more room than the rows.
    """

    __slots__ = ("before", "block", "group", "groups", "weight")

    def __init__(self, group: Integers, weight: Floats, groups: int) -> None:
        self.group = group
        self.weight = weight
        self.groups = groups
        self.block = size = max(LEAST_BLOCK, groups)
        blocks = len(group) // size
        whole = slice(0, blocks * size)
        keys = group[whole] + groups * (np.arange(blocks * size) // size)
        table = np.bincount(keys, weight[whole], minlength=groups * blocks).reshape(blocks, groups)
        self.before: Floats = np.concatenate((np.zeros((1, groups)), np.cumsum(table, axis=0)))

    def _until(self, row: int) -> Floats:
        """Sums of the rows before `row`."""
        block = row // self.block
        rest = slice(block * self.block, row)
        found: Floats = self.before[block] + np.bincount(self.group[rest], self.weight[rest], minlength=self.groups)
        return found

    def within(self, low: int, high: int) -> Floats:
        """Sums by group of the rows low <= row < high."""
        found: Floats = self._until(high) - self._until(low)
        return found
