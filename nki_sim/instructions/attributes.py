"""Checks one attribute of an instruction: operators, flags, numbers, enums, patterns, axes, pairs, masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from nki_sim.instructions.spec import AttributeSpec
from nki_sim.instructions.wording import article_list, since_text
from nki_sim.targets import Target

PATTERN_DIMS = 4


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a value does not suit an attribute; `message` follows the instruction's name.

    usable  other rules can still read the value: it is a legal one, only not on this target
    """

    code: str
    message: str
    fact: str = ""
    fix: str = ""
    usable: bool = False


def is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return is_int(value) or isinstance(value, (float, np.floating))


def attribute_problem(attribute: AttributeSpec, value: Any, target: Target) -> Problem | None:
    """What is wrong with `value` for `attribute` on `target`, or None."""
    if value is None and attribute.none:
        return None
    if not attribute.condition.covers(target.generation):
        if _same(value, attribute.default):
            return None
        message = f"{attribute.name} is {_short(value)}, which {target.name} does not have"
        fact, fix = since_text(attribute.condition), f"leave {attribute.name} out"
        return Problem(code="attribute", message=message, fact=fact, fix=fix, usable=True)
    if attribute.kind in ("operator", "enum"):
        return _choice_problem(attribute, value, target)
    wanted = _WANTED[attribute.kind] + (" or None" if attribute.none else "")
    if not _TESTS[attribute.kind](value):
        shown = repr(value) if isinstance(value, str) else _short(value)
        return Problem(code="attribute", message=f"{attribute.name} is {shown}; it must be {wanted}")
    if attribute.kind == "int":
        return _range_problem(attribute, value)
    return None


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _choice_problem(attribute: AttributeSpec, value: Any, target: Target) -> Problem | None:
    code = "operator" if attribute.kind == "operator" else "attribute"
    known = [c for c in attribute.choices if isinstance(value, str) and c.name == value]
    if any(c.condition.covers(target.generation) for c in known):
        return None
    if known:
        message = f"{attribute.name} is {value}, which {target.name} does not have"
        fix = f"leave {attribute.name} out" if attribute.optional else ""
        return Problem(code=code, message=message, fact=since_text(known[0].condition), fix=fix, usable=True)
    names = [c.name for c in attribute.choices if c.condition.covers(target.generation)]
    if attribute.sets:
        wanted = article_list([name.replace("_", " ") for name in attribute.sets])
        message = f"{attribute.name} is {_short(value)}; it must be {wanted} operator"
        fix = "" if isinstance(value, str) else f"pass an operator of nl, such as {attribute.name}=nl.{names[0]}"
        return Problem(code=code, message=message, fact=f"accepted: {', '.join(names)}", fix=fix)
    return Problem(code=code, message=f"{attribute.name} is {_short(value)}; it must be {article_list(names, '')}")


def _range_problem(attribute: AttributeSpec, value: int) -> Problem | None:
    low, high = attribute.low, attribute.high
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    return Problem(code="attribute", message=f"{attribute.name} is {value}; it must be from {low} to {high}")


def _short(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, str):
        return value if value else "''"
    if isinstance(value, (FunctionType, BuiltinFunctionType, type)):
        return f"the function {value.__name__}" if not isinstance(value, type) else f"the class {value.__name__}"
    try:
        text = repr(value)
    except Exception:  # a user's own class may fail to print; the report must not
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) or (is_int(value) and value in (0, 1))


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (tuple, list))


def _is_ints(value: Any) -> bool:
    return _is_sequence(value) and all(is_int(v) for v in value)


def _is_pattern(value: Any) -> bool:
    if not _is_sequence(value) or not 1 <= len(value) <= PATTERN_DIMS:
        return False
    return all(_is_ints(pair) and len(pair) == 2 and pair[1] >= 1 for pair in value)


def _is_axes(value: Any) -> bool:
    return _is_ints(value) and all(v >= 0 for v in value)


def _is_pair(value: Any) -> bool:
    return _is_ints(value) and len(value) in (0, 2)


_TESTS: dict[str, Callable[[Any], bool]] = {
    "bool": _is_bool,
    "int": is_int,
    "number": is_number,
    "pattern": _is_pattern,
    "axes": _is_axes,
    "pair": _is_pair,
    "mask": _is_ints,
    "text": lambda value: isinstance(value, str),
}
_WANTED: dict[str, str] = {
    "bool": "True or False",
    "int": "an integer",
    "number": "a number",
    "pattern": f"one to {PATTERN_DIMS} [step, count] pairs of integers, counts at least 1",
    "axes": "dimension numbers, not negative",
    "pair": "two integers",
    "mask": "a list of integers",
    "text": "a string",
}
KINDS = frozenset(_TESTS) | {"operator", "enum"}
