"""The published points carried in data/points.csv, and one result of simulating such a point."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One published figure.

    group   "instructions", "dma", "replay", "kernels" (trn2), "trn1", or "unreached", whose note says why
    trust   A: device profile or official table, exact; B: measured, with a small doubt
    """

    id: str
    group: str
    target: str
    trust: str
    what: str
    published: float
    unit: str
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class Result:
    """A point and its simulated value in the same unit."""

    point: Point
    simulated: float

    @property
    def error(self) -> float:
        """Simulated over published, less one."""
        return self.simulated / self.point.published - 1.0


@cache
def points() -> Sequence[Point]:
    with (DATA / "points.csv").open(newline="") as table:
        return tuple(
            Point(
                id=row["id"],
                group=row["group"],
                target=row["target"],
                trust=row["trust"],
                what=row["what"],
                published=float(row["published"]),
                unit=row["unit"],
                source=row["source"],
                note=row["note"],
            )
            for row in csv.DictReader(table)
        )


def in_group(group: str) -> list[Point]:
    return [point for point in points() if point.group == group]
