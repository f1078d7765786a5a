"""Collecting findings once per source line: unrolled loops repeat the same mistake thousands of times."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from nki_sim.diagnostics.model import Diagnostic


class Findings:
    """Diagnostics in first-seen order; a second one with an equal key only raises the count of the first."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[Hashable, ...], Diagnostic] = {}
        self._seen: set[tuple[Hashable, ...]] = set()

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return list(self._by_key.values())

    def add(self, key: tuple[Hashable, ...], diagnostic: Diagnostic) -> None:
        """`key` is (site, position, ...): findings of one site are one, those without a site stay apart by position.

        The same position twice (the passes over a loop) counts once.
        """
        site, position, *rest = key
        known = isinstance(site, int) and site >= 0
        exact = (*key, diagnostic.severity)
        if exact in self._seen:
            return
        self._seen.add(exact)
        short: tuple[Hashable, ...] = (site if known else ("at", position), *rest, diagnostic.severity)
        first = self._by_key.get(short)
        self._by_key[short] = diagnostic if first is None else replace(first, count=first.count + diagnostic.count)
