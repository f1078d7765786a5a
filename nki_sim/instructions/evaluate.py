"""Evaluates the formulas of the `.isa` files: limits for `validate`, costs for the timing model.

A formula yields a number, a bool, a string, or None: "does not apply" (it reads an operand that is absent or no tile).
None passes through arithmetic and comparisons; a limit is broken only when its formula is False.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from nki_sim.instructions import functions
from nki_sim.instructions.spec import Condition, CostRule, Expression, InstructionSpec, Tree
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Register
from nki_sim.targets import Target


@dataclass(slots=True, kw_only=True)
class Context:
    """What a formula can read: bound dimension letters, operands, attributes, the target and the executing engine."""

    dims: Mapping[str, int]
    operands: Mapping[str, Any]
    attributes: Mapping[str, Any]
    target: Target
    engine: str = ""


Compiled = Callable[[Context], Any]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def evaluate(expression: Expression, context: Context) -> Any:
    """The value of `expression`; None when it does not apply or cannot be computed from these values."""
    try:
        return compiled(expression)(context)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, AttributeError, KeyError, IndexError):
        return None


@lru_cache(maxsize=4096)
def compiled(expression: Expression) -> Compiled:
    """`expression` as a function of a Context."""
    return _compile(expression.tree)


def holds(condition: Condition, context: Context) -> bool:
    """Whether a line with `condition` counts for the context's target, engine and values."""
    if not condition.since <= context.target.generation <= condition.until:
        return False
    if condition.on is not None and context.engine and condition.on != context.engine:
        return False
    return condition.when is None or evaluate(condition.when, context) is True


def _compile(tree: Tree) -> Compiled:
    kind = tree[0]
    if kind in _COMPARE:
        return _binary(_COMPARE[kind], tree)
    if kind in _ARITHMETIC:
        return _binary(_ARITHMETIC[kind], tree)
    return _BUILDERS[kind](tree)


def _binary(function: Callable[[Any, Any], Any], tree: Tree) -> Compiled:
    left, right = _compile(tree[1]), _compile(tree[2])

    def run(context: Context) -> Any:
        a, b = left(context), right(context)
        return None if a is None or b is None else function(a, b)

    return run


def _number(tree: Tree) -> Compiled:
    value = tree[1]
    return lambda context: value


def _constant(tree: Tree) -> Compiled:
    value = tree[2]
    return lambda context: value


def _dim(tree: Tree) -> Compiled:
    name = tree[1]
    return lambda context: context.dims.get(name)


def _operand(tree: Tree) -> Compiled:
    name = tree[1]
    return lambda context: context.operands.get(name)


def _attribute(tree: Tree) -> Compiled:
    name = tree[1]
    return lambda context: context.attributes.get(name)


def _limit(tree: Tree) -> Compiled:
    name = tree[1]
    return lambda context: context.target.limit(name)


def _engine(tree: Tree) -> Compiled:
    return lambda context: context.engine or None


def _generation(tree: Tree) -> Compiled:
    return lambda context: context.target.generation


def _not(tree: Tree) -> Compiled:
    inner = _compile(tree[1])

    def run(context: Context) -> Any:
        value = inner(context)
        return None if value is None else not value

    return run


def _and(tree: Tree) -> Compiled:
    left, right = _compile(tree[1]), _compile(tree[2])

    def run(context: Context) -> Any:
        a = left(context)
        if a is not None and not a:
            return False
        b = right(context)
        if b is not None and not b:
            return False
        return None if a is None or b is None else True

    return run


def _or(tree: Tree) -> Compiled:
    left, right = _compile(tree[1]), _compile(tree[2])

    def run(context: Context) -> Any:
        a = left(context)
        if a:
            return True
        b = right(context)
        if b:
            return True
        return None if a is None or b is None else False

    return run


def _if(tree: Tree) -> Compiled:
    test, yes, no = (_compile(part) for part in tree[1:])
    return lambda context: (yes if test(context) else no)(context)


def _in(tree: Tree) -> Compiled:
    inner, members = _compile(tree[1]), frozenset(tree[2])

    def run(context: Context) -> Any:
        value = inner(context)
        return None if value is None else value in members

    return run


def _is(tree: Tree) -> Compiled:
    inner, what = _compile(tree[1]), tree[2]
    test = _IS[what]
    return lambda context: test(inner(context))


def _call(tree: Tree) -> Compiled:
    function = functions.FUNCTIONS[tree[1]]
    arguments = tuple(_compile(part) for part in tree[2:])

    def run(context: Context) -> Any:
        values = [argument(context) for argument in arguments]
        return None if any(value is None for value in values) else function(*values)

    return run


def _space_test(space: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, AccessPattern) and value.tensor.space == space


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_IS: dict[str, Callable[[Any], bool]] = {
    "tile": lambda value: isinstance(value, AccessPattern),
    "scalar": _is_scalar,
    "register": lambda value: isinstance(value, Register),
    "none": lambda value: value is None,
    "given": lambda value: value is not None,
    "sbuf": _space_test("sbuf"),
    "psum": _space_test("psum"),
    "hbm": _space_test("hbm"),
}
_BUILDERS: dict[str, Callable[[Tree], Compiled]] = {
    "number": _number,
    "symbol": _number,
    "constant": _constant,
    "dim": _dim,
    "operand": _operand,
    "attribute": _attribute,
    "limit": _limit,
    "engine": _engine,
    "generation": _generation,
    "not": _not,
    "and": _and,
    "or": _or,
    "if": _if,
    "in": _in,
    "is": _is,
    "call": _call,
}
NODE_KINDS = frozenset(_BUILDERS) | frozenset(_COMPARE) | frozenset(_ARITHMETIC)
IS_TESTS = frozenset(_IS)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an instruction takes of its engine's time.

    cycles    engine cycles; 0.0 when the documents give no formula and the timing model charges by other means
    formula   the text of the rule that applied, "" if undocumented
    inputs    the letters, operands' dtypes and attributes that the formula read
    citation  the document, or "assumed: ..." when the formula is ours
    """

    cycles: float
    formula: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    citation: str = ""


def cost(spec: InstructionSpec, instruction: Instruction, target: Target, part: str = "") -> Cost:
    """The documented cost of `instruction` on `target`, as if it were legal.

    part   "" for the instruction, or a named part of it: nc_matmul has "weight_load"
    Non-goals: issue and drain overheads, stalls, shared memories (all in the timing model).
    """
    context = Context(
        dims=bind(spec, instruction.operands, instruction.attributes, target),
        operands=instruction.operands,
        attributes=instruction.attributes,
        target=target,
        engine=instruction.engine,
    )
    for rule in spec.costs:
        if rule.part == part and holds(rule.condition, context):
            return _apply(rule, context)
    return Cost(cycles=0.0, formula="", citation="undocumented")


def _apply(rule: CostRule, context: Context) -> Cost:
    citation = f"assumed: {rule.citation}" if rule.assumed else rule.citation
    if rule.expression is None:
        return Cost(cycles=0.0, formula="", citation=citation)
    value = evaluate(rule.expression, context)
    cycles = float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
    inputs: dict[str, Any] = {}
    for name in sorted(rule.expression.names):
        if name in context.dims:
            inputs[name] = context.dims[name]
        else:
            read = context.operands.get(name, context.attributes.get(name))
            inputs[name] = str(read.dtype) if isinstance(read, AccessPattern) else read
    return Cost(cycles=cycles, formula=rule.expression.text, inputs=inputs, citation=citation)


def bind(
    spec: InstructionSpec, operands: Mapping[str, Any], attributes: Mapping[str, Any], target: Target
) -> dict[str, int]:
    """The value of every dimension letter: what the first input that has the letter says, then the first output."""
    context = Context(dims={}, operands=operands, attributes=attributes, target=target)
    dims: dict[str, int] = {}
    for one in spec.binding_order:
        value = operands.get(one.name)
        if not isinstance(value, AccessPattern):
            continue
        found = functions.match(shape_for(one.shapes, context), value)
        if found is not None:
            for letter, count in found:
                if isinstance(letter, str):
                    dims.setdefault(letter, count)
    return dims


def shape_for(shapes: tuple[Any, ...], context: Context) -> Any:
    """The first of `shapes` whose condition holds, or None."""
    for shape in shapes:
        if holds(shape.condition, context):
            return shape
    return None
