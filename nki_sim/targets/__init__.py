"""The hardware generations: one TOML per target; every number carries its source or the word "assumed".

`load("trn2")` gives a `Target`. Nothing here interprets the numbers: instruction limits, memory sizes and the timing
model read them by name.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ALIASES: Mapping[str, str] = {"gen2": "trn1", "gen3": "trn2", "gen4": "trn3"}
NAMES: tuple[str, ...] = ("trn1", "inf2", "trn2", "trn3")
DEFAULT = "trn2"


@dataclass(frozen=True, slots=True)
class Number:
    """A constant of a target. `source` names the document or measurement, or starts with "assumed"."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, eq=False)
class Target:
    """One generation.

    name        "trn1", "inf2", "trn2" or "trn3"
    generation  2, 3 or 4 (NeuronCore-v2, v3, v4; the documents' gen2, gen3, gen4)
    numbers     by section, then name: `target.numbers["tensor"]["clock_ghz"].value`
    """

    name: str
    title: str
    generation: int
    numbers: Mapping[str, Mapping[str, Number]]

    def __getitem__(self, path: str) -> float:
        """The value at "section.name"."""
        section, _, name = path.partition(".")
        return self.numbers[section][name].value

    def limit(self, name: str) -> int:
        """An integer from the [limits] section: pmax, gemm_stationary_fmax, sbuf_usable_bytes, psum_bank_bytes, ..."""
        return int(self.numbers["limits"][name].value)

    def number(self, path: str) -> Number:
        section, _, name = path.partition(".")
        return self.numbers[section][name]


@cache
def load(name: str) -> Target:
    """The target called `name` (or gen2, gen3, gen4). Raises ValueError for another name."""
    known = ALIASES.get(name, name)
    if known not in NAMES:
        raise ValueError(f"unknown target {name!r}; there are {', '.join(NAMES)} (and gen2, gen3, gen4)")
    data = tomllib.loads((files(__package__) / f"{known}.toml").read_text("utf-8"))
    base = data.pop("extends", None)
    numbers: dict[str, dict[str, Number]] = {}
    if base is not None:
        numbers = {section: dict(entries) for section, entries in load(base).numbers.items()}
    head = data.pop("target")
    for section, entries in data.items():
        room = numbers.setdefault(section, {})
        for key, entry in entries.items():
            room[key] = _number(f"{section}.{key}", entry)
    return Target(known, head["title"], int(head["generation"]), numbers)


def _number(name: str, entry: Any) -> Number:
    return Number(name, entry["value"], entry.get("unit", ""), entry["source"])
