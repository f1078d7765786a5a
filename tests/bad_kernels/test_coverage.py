"""The suite is complete: every code in the sources and every rule of every instruction block has a bad kernel."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nki_sim.frontend.dialect_rules import RULES
from nki_sim.instructions import validate
from nki_sim.instructions.spec import FIRST_GENERATION, InstructionSpec, Limit
from nki_sim.instructions.table import SPECS
from tests.bad_kernels.test_bad_kernels import FOLDERS, HERE, load
from tests.frontend.test_mistakes import FOLDERS as MISTAKES

SOURCES = Path(validate.__file__).parents[1]

ELSEWHERE = {
    "language-source": "the text of the kernel is missing, so that no file can show it: docs/diagnostics and "
    "tests/frontend/test_source.py do",
}
"""Codes that no pair of files can show, and why."""

UNREACHABLE = {
    "nc_matmul: K <= pmax": "nl.ndarray reports a tensor with too many partitions, and a view has no more",
    "nc_transpose: P <= pmax": "as above",
    "dma_copy: src is hbm": "views refuse a vector_offset on anything but an HBM tensor",
    "dma_copy: dst is hbm": "as above",
}
"""Limits that a kernel cannot break, because something before them does not let it come so far."""


# ---------------------------------------------------------------------------------------------------------- the codes


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Strings that stand where a code does: code=..., fail("..."), complain("..."), Limit(code) and the like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code":
            yield from _strings(node.value)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = {"fail": 0, "complain": 0, "_about_tensor": 1}.get(name)
            if name == "add" and ast.unparse(node.func) == "findings.add":
                place = 0
            if place is not None and len(node.args) > place:
                yield from _strings(node.args[place])
        elif isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["code"]:
            yield from _strings(node.value)


def _strings(value: ast.expr) -> Iterator[str]:
    parts = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def existing_codes() -> set[str]:
    found = {rule.code for rule in RULES} | {limit.code for spec in SPECS.values() for limit in spec.limits}
    for file in SOURCES.rglob("*.py"):
        if "table" not in file.parts and "profiler" not in file.parts:
            found |= set(codes_in(ast.parse(file.read_text(encoding="utf-8"))))
    return found


def test_the_suite_shows_every_code_and_no_other() -> None:
    shown = {folder.parent.name for folder in (*FOLDERS, *MISTAKES)}
    assert existing_codes() == shown | ELSEWHERE.keys()


# ------------------------------------------------------------------------------------------- the instruction blocks


def limit_names(spec: InstructionSpec) -> dict[int, str]:
    """A name for each limit by its position. The rule on start partitions is one for all operands of all instructions;
    other shared rules count for each operand they are applied to."""
    names: dict[int, str] = {}
    for position, limit in enumerate(spec.limits):
        text = limit.expression.text
        if limit.rule.startswith("quadrants("):
            operand = limit.rule.removeprefix("quadrants(tile=").rstrip(")")
            text = text.replace(f"({operand})", "")
            when = limit.condition.when
            text += f" when {when.text.replace(f'({operand})', '')}" if when is not None else ""
            names[position] = f"quadrants: {text}"
        else:
            names[position] = f"{spec.name}: {text}" + (f" [{limit.rule}]" if limit.rule else "")
    return names


def gates(spec: InstructionSpec) -> set[str]:
    """Operands and attributes of which something comes with a later generation only."""
    found = set()
    for operand in spec.operands:
        if any(c.condition.since > FIRST_GENERATION for c in (*operand.dtypes, *operand.spaces, *operand.kinds)):
            found.add(operand.name)
    for attribute in spec.attributes:
        conditions = [attribute.condition, *(c.condition for c in attribute.choices)]
        if any(condition.since > FIRST_GENERATION for condition in conditions):
            found.add(attribute.name)
    return {f"{spec.name}: {name} of a later generation" for name in found}


def engine_rules(spec: InstructionSpec) -> set[str]:
    conditional = [r for r in spec.engines if r.condition.when is not None or r.condition.since > FIRST_GENERATION]
    return {f"{spec.name}: engine {rule.engine}" for rule in conditional}


def existing_rules() -> set[str]:
    found: set[str] = set()
    for spec in SPECS.values():
        found |= {*limit_names(spec).values(), *gates(spec), *engine_rules(spec)}
    return found


@pytest.fixture
def broken_rules(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the bad kernels break, seen where limits are found broken."""
    seen: set[str] = set()
    word, check = validate._broken, validate.check

    def worded(spec: InstructionSpec, limit: Limit, context: Any) -> validate.Violation:
        position = next(i for i, one in enumerate(spec.limits) if one is limit)
        seen.add(limit_names(spec)[position])
        return word(spec, limit, context)

    def checked(spec: InstructionSpec, *rest: Any) -> validate.Checked:
        found = check(spec, *rest)
        for violation in found.violations:
            if violation.fact.startswith("available from"):
                seen.add(f"{spec.name}: {violation.operand} of a later generation")
            if violation.operand == "engine" and "cannot execute it" in violation.message:
                seen.add(f"{spec.name}: engine {violation.message.split(' is ')[1].split(',')[0]}")
        return found

    monkeypatch.setattr(validate, "_broken", worded)
    monkeypatch.setattr(validate, "check", checked)
    monkeypatch.setattr(validate, "_memo", {})
    for folder in FOLDERS:
        if any(folder.name.startswith(f"{name}-") for name in SPECS) or folder.parent.name == "partition":
            kernel, example = load(folder / "bad.py")
            kernel.check(*example())
    return seen


def test_every_rule_of_every_instruction_is_broken_by_a_bad_kernel(broken_rules: set[str]) -> None:
    assert existing_rules() - broken_rules == set(UNREACHABLE)


def test_every_instruction_has_a_bad_kernel() -> None:
    shown = {folder.name.split("-")[0] for folder in FOLDERS}
    assert SPECS.keys() - shown == set()


def test_folders_hold_nothing_else() -> None:
    for folder in FOLDERS:
        assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"bad.py", "good.py", "expected.txt"}
    assert {path.parent for path in HERE.glob("*/*/*.py")} == set(FOLDERS)
