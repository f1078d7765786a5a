"""Turns operands, limits and templates into the sentences of violations, docs and `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nki_sim.instructions import functions
from nki_sim.instructions.evaluate import Context, compiled, shape_for
from nki_sim.instructions.rules import PLACEHOLDER
from nki_sim.instructions.spec import (
    FIRST_GENERATION,
    LAST_GENERATION,
    Condition,
    Expression,
    InstructionSpec,
    Limit,
    OperandSpec,
    Tree,
)
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Register

OPERAND_PROPERTIES = ("name", "shape", "dtype", "space", "start", "partitions", "step")
ATTRIBUTE_PROPERTIES = ("elements", "length")
TARGETS_BY_GENERATION = {2: "trn1 and inf2", 3: "trn2", 4: "trn3"}
KIND_NAMES = {
    "integer": "an integer",
    "scalar": "a number",
    "tile": "a tile",
    "register": "a register",
    "none": "None",
}
_COMPARISON_WORDS = {
    "<=": "may be at most",
    "<": "must be less than",
    ">=": "must be at least",
    ">": "must be more than",
    "==": "must be",
    "!=": "must not be",
}


def kind_of(value: Any) -> str:
    """ "tile", "register", "integer", "scalar", "none", or "other"."""
    if isinstance(value, AccessPattern):
        return "tile"
    if isinstance(value, Register):
        return "register"
    if value is None:
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return "other"
    if isinstance(value, (int, np.integer)):
        return "integer"
    return "scalar" if isinstance(value, (float, np.floating)) else "other"


def article_list(names: Sequence[str], article: str = "a") -> str:
    """ "a tile, a number or None"; with article="" the bare names."""
    words = []
    for name in names:
        if not article:
            words.append(name)
        elif name in KIND_NAMES:
            words.append(KIND_NAMES[name])
        else:
            words.append(("an " if name[:1] in "aeiou" else "a ") + name)
    if len(words) > 1:
        return ", ".join(words[:-1]) + " or " + words[-1]
    return words[0] if words else "nothing"


def since_text(condition: Condition) -> str:
    """ "from gen3 (trn2) on", "up to gen3 (trn2)" or ""."""
    if condition.since > FIRST_GENERATION:
        return f"available from gen{condition.since} ({TARGETS_BY_GENERATION[condition.since]}) on"
    if condition.until < LAST_GENERATION:
        return f"available up to gen{condition.until} ({TARGETS_BY_GENERATION[condition.until]})"
    return ""


def operand_shape(operand: OperandSpec, tile: AccessPattern, context: Context) -> str:
    """The tile's shape with the letters of its spec: "[K=128, M=256]"; for a single letter "[64, 32] (E=2048)"."""
    found = functions.match(shape_for(operand.shapes, context), tile)
    if found is None or len(found) == 1:
        plain = "[" + ", ".join(map(str, tile.shape)) + "]"
        return plain if found is None or len(tile.shape) == 1 else f"{plain} ({found[0][0]}={found[0][1]})"
    words = [f"{e}={count}" if isinstance(e, str) else str(count) for e, count in found]
    merged = [str(count) for count in tile.shape[len(found) - 1 :]]
    if len(merged) > 1 and len(tile.shape) > len(found) and isinstance(found[-1][0], str):
        words[-1] = f"{found[-1][0]}={'*'.join(merged)}"
    return "[" + ", ".join(words) + "]"


def describe(operand: OperandSpec, value: Any, context: Context) -> str:
    """The operand as it is: "[P=128, F=512] float32 in sbuf"."""
    if isinstance(value, AccessPattern):
        return f"{operand_shape(operand, value, context)} {value.dtype.name} in {value.space}"
    return "None" if value is None else str(value)


def fill(template: str, spec: InstructionSpec, context: Context) -> str:
    """`template` with its placeholders replaced."""
    if "{" not in template:
        return template
    return PLACEHOLDER.sub(lambda found: _value(found[1], found[2], spec, context), template)


def _value(name: str, part: str | None, spec: InstructionSpec, context: Context) -> str:
    if name in spec.operand:
        operand, value = spec.operand[name], context.operands.get(name)
        if part == "name":
            return name
        if part is None or not isinstance(value, AccessPattern):
            return describe(operand, value, context)
        if part == "shape":
            return operand_shape(operand, value, context)
        if part == "dtype":
            return value.dtype.name
        if part == "space":
            return value.space
        return str(functions.FUNCTIONS[part](value))
    if name in context.dims:
        return str(context.dims[name])
    if name in spec.attribute:
        value = context.attributes.get(name)
        if part is not None and value is not None:
            return str(functions.FUNCTIONS["product" if part == "elements" else part](value))
        return str(value)
    if name == "engine":
        return context.engine
    if name == "target":
        return context.target.name
    return str(context.target.limit(name))


def has_standard_message(expression: Expression) -> bool:
    """Whether `limit_message` can word the limit without a template of its own."""
    tree = expression.tree
    if tree[0] in _COMPARISON_WORDS:
        return _subject(tree) is not None
    return tree[0] == "in" and tree[1][0] in ("attribute", "dim")


def _subject(tree: Tree) -> tuple[str, int | None] | None:
    """(name, unit) of `name <= ...` or `name % unit == 0`."""
    left = tree[1]
    if left[0] in ("dim", "attribute"):
        return left[1], None
    if tree[0] == "==" and left[0] == "%" and left[1][0] == "dim" and tree[2] == ("number", 0):
        return left[1][1], left[2][1] if left[2][0] == "number" else None
    return None


def limit_message(spec: InstructionSpec, limit: Limit, blame: str, context: Context) -> str:
    """The sentence for a broken limit, without the instruction's name."""
    if limit.message:
        return fill(limit.message, spec, context)
    tree = limit.expression.tree
    target = f" on {context.target.name}" if _depends_on_target(limit) else ""
    if tree[0] == "in":
        name, demand = tree[1][1], f"must be {article_list([str(v) for v in tree[2]], '')}"
    else:
        subject = _subject(tree)
        name, unit = subject if subject is not None else (blame, None)
        if unit is not None:
            demand = f"must be a multiple of {unit}"
        else:
            demand = f"{_COMPARISON_WORDS[tree[0]]} {_bound(tree[2], context)}"
    if blame in spec.operand and isinstance(context.operands.get(blame), AccessPattern):
        shown = operand_shape(spec.operand[blame], context.operands[blame], context)
        return f"{blame} is {shown}; {name} {demand}{target}"
    value = context.attributes.get(name, context.dims.get(name))
    return f"{name} is {value!s}; it {demand}{target}"


def _bound(tree: Tree, context: Context) -> str:
    return str(compiled(Expression(text="", tree=tree))(context))


def _depends_on_target(limit: Limit) -> bool:
    condition = limit.condition
    if condition.since > FIRST_GENERATION or condition.until < LAST_GENERATION:
        return True
    return _reads_limit(limit.expression.tree)


def _reads_limit(tree: Tree) -> bool:
    return tree[0] == "limit" or any(_reads_limit(part) for part in tree[1:] if isinstance(part, tuple) and part)
