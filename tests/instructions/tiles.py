"""Tiles and calls for tests: patterns of tensors without data."""

from __future__ import annotations

from typing import Any

from nki_sim import targets
from nki_sim.instructions.table import SPECS
from nki_sim.instructions.validate import Checked, check
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import dtype_of
from nki_sim.program.ir import Instruction, TensorDecl


def tile(
    *shape: int, dtype: str = "float32", space: str = "sbuf", address: tuple[int, int] | None = None
) -> AccessPattern:
    """All of a new tensor."""
    return TensorDecl(
        index=0,
        name="t",
        space=space,
        buffer=space,
        shape=shape,
        dtype=dtype_of(dtype),
        address=address,  # type: ignore[arg-type]
    ).whole()


def complete(name: str, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Operands and attributes of a call, the missing ones at their defaults."""
    spec = SPECS[name]
    operands = {o.name: given.get(o.name, o.default if o.optional else None) for o in spec.operands}
    attributes = {a.name: given.get(a.name, a.default if a.optional else None) for a in spec.attributes}
    assert not given.keys() - operands.keys() - attributes.keys()
    return operands, attributes


def checked(name: str, on: str = "trn2", **given: Any) -> Checked:
    return check(SPECS[name], *complete(name, given), targets.load(on))


def errors(name: str, on: str = "trn2", **given: Any) -> list[str]:
    """Messages of the errors."""
    return [v.message for v in checked(name, on, **given).violations if v.severity == "error"]


def instruction(name: str, on: str = "trn2", **given: Any) -> Instruction:
    """A legal instruction."""
    found = checked(name, on, **given)
    assert found.ok, found.violations
    return Instruction(name, *complete(name, given), found.engine)
