"""Which operands of an instruction are written: the `out` and `inout` operands of its `.isa` block, by operation."""

from __future__ import annotations

from collections.abc import Mapping

from nki_sim.instructions.table import SPECS

WRITTEN: Mapping[str, frozenset[str]] = {op: frozenset(spec.outputs) for op, spec in SPECS.items()}
