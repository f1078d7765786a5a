"""Hypothesis strategies, derived from a spec, for calls that obey every rule and calls that break exactly one.

Tiles are AccessPatterns of tensors without data; sizes are small. Needs hypothesis, which is imported when a strategy
is asked for. Non-goals: strided and run-time access patterns (see nki_sim.testing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nki_sim.instructions.evaluate import Context, evaluate, holds, shape_for
from nki_sim.instructions.spec import AttributeSpec, InstructionSpec, Limit, OperandSpec
from nki_sim.instructions.table.names import OPS_UNARY
from nki_sim.instructions.validate import available, check
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType, dtype_of
from nki_sim.program.ir import Register, TensorDecl
from nki_sim.targets import Target

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Draw = Callable[["SearchStrategy[Any]"], Any]
PARTITION_COUNTS = (1, 2, 16, 32, 64, 100, 128)
FREE_COUNTS = (1, 2, 3, 6, 12, 48, 60, 512)
TOO_MANY = (129, 192, 514, 640, 1025, 4097)
SHUFFLE_ENTRIES = 32
UNARY = frozenset(choice.name for choice in OPS_UNARY)


@dataclass(frozen=True, kw_only=True)
class Call:
    """Arguments of one instruction. `broken` is the code of the rule they break, "" for none; `how` says how."""

    operands: dict[str, Any]
    attributes: dict[str, Any]
    broken: str = ""
    how: str = ""


@dataclass(kw_only=True)
class _Plan:
    """A call in the making: letters, and per tile its dtype, space and start partition."""

    letters: dict[str, int] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    spaces: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, tuple[int, int]] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


def legal_calls(spec: InstructionSpec, target: Target) -> SearchStrategy[Call]:
    """Calls of `spec` in which `check` finds no error on `target`."""
    from hypothesis import strategies as st

    @st.composite
    def calls(draw: Draw) -> Call:
        return _call(spec, _legal_plan(spec, target, draw), target)

    return calls()


def illegal_calls(spec: InstructionSpec, target: Target) -> SearchStrategy[Call]:
    """Legal calls with one thing changed, such that a rule with the code `broken` no longer holds."""
    from hypothesis import assume
    from hypothesis import strategies as st

    @st.composite
    def calls(draw: Draw) -> Call:
        plan = _legal_plan(spec, target, draw)
        mutations = _mutations(spec, plan, target)
        assume(bool(mutations))
        chosen: Call = draw(st.sampled_from(mutations))
        return chosen

    return calls()


# ---- legal calls


def _legal_plan(spec: InstructionSpec, target: Target, draw: Draw) -> _Plan:
    from hypothesis import strategies as st

    plan = _Plan()
    for attribute in spec.attributes:
        plan.attributes[attribute.name] = _attribute(attribute, target, draw)
    _draw_letters(spec, plan, target, draw)
    common = dtype_of(draw(st.sampled_from(("float32", "bfloat16", "int32"))))
    for operand in spec.operands:
        _draw_operand(operand, plan, target, common, draw)
    for simplify in _SIMPLIFICATIONS:
        simplify(spec, plan, target, common)
        _solve(spec, plan, target, draw)
        call = _call(spec, plan, target)
        if check(spec, call.operands, call.attributes, target).ok:
            return plan
    call = _call(spec, plan, target)
    raise AssertionError(f"no legal call found: {check(spec, call.operands, call.attributes, target)}")


def _attribute(attribute: AttributeSpec, target: Target, draw: Draw) -> Any:
    from hypothesis import strategies as st

    if attribute.none and draw(st.booleans()):
        return None
    if not attribute.condition.covers(target.generation):
        return attribute.default
    if attribute.kind in ("operator", "enum"):
        return draw(st.sampled_from(available(attribute.choices, target)))
    if attribute.kind == "int":
        low = -100 if attribute.low is None else attribute.low
        high = 100 if attribute.high is None else attribute.high
        return draw(st.integers(low, high))
    if attribute.kind == "mask":
        entry = st.one_of(st.integers(0, SHUFFLE_ENTRIES - 1), st.just(255))
        return tuple(draw(st.lists(entry, min_size=SHUFFLE_ENTRIES, max_size=SHUFFLE_ENTRIES)))
    simple: dict[str, SearchStrategy[Any]] = {
        "bool": st.booleans(),
        "number": st.sampled_from((0.0, 1.0, -2.0, 3)),
        "pattern": st.just(((1, 1),)),
        "axes": st.integers(1, 3),
        "pair": st.just(()),
        "text": st.sampled_from(("", "tile")),
    }
    return draw(simple[attribute.kind])


def _draw_letters(spec: InstructionSpec, plan: _Plan, target: Target, draw: Draw) -> None:
    from hypothesis import strategies as st

    first = {o.shapes[-1].dims[0] for o in spec.operands if o.shapes and not _flat(o)}
    for letter in _letters(spec):
        counts = [*PARTITION_COUNTS, 4, 8] if letter in first else list(FREE_COUNTS)
        fitting = [count for count in counts if _fits(spec, letter, count, target)]
        exact = [n for limit in spec.limits if (n := _required(limit, letter)) is not None]
        plan.letters[letter] = exact[0] if exact else draw(st.sampled_from(fitting))


def _letters(spec: InstructionSpec) -> list[str]:
    shapes = [shape for operand in spec.operands for shape in operand.shapes]
    return list(dict.fromkeys(entry for shape in shapes for entry in shape.dims if isinstance(entry, str)))


def _flat(operand: OperandSpec) -> bool:
    """The operand counts all its elements in one letter (DMA and register operands)."""
    return len(operand.shapes[-1].dims) == 1


def _fits(spec: InstructionSpec, letter: str, count: int, target: Target) -> bool:
    context = Context(dims={letter: count}, operands={}, attributes={}, target=target)
    limits = [limit for limit in spec.limits if limit.expression.names == {letter} and limit.severity == "error"]
    return all(
        evaluate(limit.expression, context) is not False
        for limit in limits
        if limit.condition.covers(target.generation)
    )


def _required(limit: Limit, letter: str) -> int | None:
    """The number in a limit `letter == number`."""
    tree = limit.expression.tree
    if tree[0] == "==" and tree[1] == ("dim", letter) and tree[2][0] == "number":
        return int(tree[2][1])
    return None


def _draw_operand(operand: OperandSpec, plan: _Plan, target: Target, common: DType, draw: Draw) -> None:
    from hypothesis import strategies as st

    kinds = list(available(operand.kinds, target))
    if kinds and (not operand.takes_tile or draw(st.booleans())):
        kind = draw(st.sampled_from(kinds))
        plan.others[operand.name] = {"scalar": 0.5, "integer": 3, "none": None, "register": Register(1)}[kind]
    elif not operand.takes_tile:
        plan.others[operand.name] = Register(0)
    if not operand.takes_tile:
        return
    dtypes = available(operand.dtypes, target)
    own = draw(st.sampled_from((str(common), *dtypes)))
    plan.dtypes[operand.name] = dtype_of(own if own in dtypes else dtypes[0])
    spaces = [c.name for c in operand.spaces if c.condition.on is None]
    plan.spaces[operand.name] = draw(st.sampled_from(spaces))
    plan.splits[operand.name] = draw(st.sampled_from((1, 1, 2, 3)))
    legal_starts = (0, 32, 64, 96) if plan.letters.get(str(operand.shapes[-1].dims[0]), 128) <= 32 else (0,)
    plan.addresses[operand.name] = (draw(st.sampled_from(legal_starts)), 0)


def _solve(spec: InstructionSpec, plan: _Plan, target: Target, draw: Draw) -> None:
    """Makes patterns, axes and the letters that depend on them fit the shapes."""
    free = next((o.shapes[-1].dims[-1] for o in spec.operands if o.shapes and o.is_output), None)
    for attribute in spec.attributes:
        if attribute.kind == "pattern":
            count = plan.letters[str(free)]
            inner = math.gcd(count, 6)
            plan.attributes[attribute.name] = ((inner, count // inner), (1, inner))
        if attribute.kind == "axes":
            data = _call(spec, plan, target).operands["data"]
            wanted = plan.attributes[attribute.name]
            length = len(wanted) if isinstance(wanted, tuple) else wanted
            length = min(length, len(data.shape) - 1)
            plan.attributes[attribute.name] = tuple(range(len(data.shape) - length, len(data.shape)))
    for limit in spec.limits:
        tree = limit.expression.tree
        if tree[0] == "==" and tree[1][0] == "dim" and tree[2][0] == "call" and tree[2][1] == "kept":
            call = _call(spec, plan, target)
            context = Context(dims={}, operands=call.operands, attributes=call.attributes, target=target)
            value = evaluate(replace(limit.expression, text="", tree=tree[2]), context)
            plan.letters[tree[1][1]] = value


def _keep(spec: InstructionSpec, plan: _Plan, target: Target, common: DType) -> None:
    """The plan as drawn."""


def _one_dtype(spec: InstructionSpec, plan: _Plan, target: Target, common: DType) -> None:
    """The same type everywhere, an integer one if an operator works on bits."""
    bits = any(_is_bitvec(plan.attributes[a.name]) for a in spec.attributes if a.kind == "operator")
    for operand in spec.operands:
        if operand.takes_tile:
            dtypes = available(operand.dtypes, target)
            wanted = "int32" if bits else str(common)
            plan.dtypes[operand.name] = dtype_of(wanted if wanted in dtypes else dtypes[0])
            if bits and operand.name in plan.others and plan.others[operand.name] is not None:
                plan.others[operand.name] = 3


def _is_bitvec(value: Any) -> bool:
    return isinstance(value, str) and (value.startswith("bitwise") or value.endswith("_shift") or value == "invert")


def _consistent_operators(spec: InstructionSpec, plan: _Plan, target: Target, common: DType) -> None:
    """All operators bitwise or none, and operands of unary operators left out."""
    operators = [a.name for a in spec.attributes if a.kind == "operator" and plan.attributes[a.name] is not None]
    if any(_is_bitvec(plan.attributes[name]) for name in operators):
        bitwise = next(plan.attributes[name] for name in operators if _is_bitvec(plan.attributes[name]))
        plan.attributes |= dict.fromkeys(operators, bitwise)
        _one_dtype(spec, plan, target, common)
    for rule in dict.fromkeys(limit.rule for limit in spec.limits if limit.rule.startswith("unary_operand(")):
        names = dict(part.split("=") for part in rule.removesuffix(")").partition("(")[2].split(", "))
        operand, operator = names["operand"], plan.attributes[names["op"]]
        if operator is None or operator in UNARY:
            plan.others[operand] = None
        elif plan.others.get(operand, 0) is None:
            plan.others[operand] = 3 if _is_bitvec(operator) else 0.5


def _float32_outputs(spec: InstructionSpec, plan: _Plan, target: Target, common: DType) -> None:
    for operand in spec.operands:
        if operand.is_output and "float32" in available(operand.dtypes, target):
            plan.dtypes[operand.name] = dtype_of("float32")


def _first_spaces(spec: InstructionSpec, plan: _Plan, target: Target, common: DType) -> None:
    for operand in spec.operands:
        if operand.takes_tile:
            plan.spaces[operand.name] = operand.spaces[0].name
            plan.addresses[operand.name] = (0, 0)


def _no_options(spec: InstructionSpec, plan: _Plan, target: Target, common: DType) -> None:
    """Every optional parameter at its default; unary operators only where nothing else is accepted."""
    for attribute in spec.attributes:
        if attribute.optional:
            plan.attributes[attribute.name] = attribute.default
        elif attribute.kind == "operator":
            names = available(attribute.choices, target)
            plan.attributes[attribute.name] = "add" if "add" in names else names[0]
    for operand in spec.operands:
        if operand.optional:
            plan.others[operand.name] = operand.default
        elif plan.others.get(operand.name, 0) is None and "scalar" in available(operand.kinds, target):
            plan.others[operand.name] = 0.5


def _plain_types(spec: InstructionSpec, plan: _Plan, target: Target, common: DType) -> None:
    """float32, or the first type accepted; small sizes."""
    for letter in plan.letters:
        if not any(_required(limit, letter) is not None for limit in spec.limits):
            plan.letters[letter] = next(n for n in (32, 12, 6, 3, 1) if _fits(spec, letter, n, target))
    for operand in spec.operands:
        if operand.takes_tile:
            dtypes = available(operand.dtypes, target)
            wanted = "int32" if _wants_integer(spec) else "float32"
            plan.dtypes[operand.name] = dtype_of(wanted if wanted in dtypes else dtypes[0])


def _wants_integer(spec: InstructionSpec) -> bool:
    return any(limit.expression.tree[:2] == ("call", "is_integer") for limit in spec.limits)


_SIMPLIFICATIONS = (
    _keep,
    _consistent_operators,
    _one_dtype,
    _float32_outputs,
    _first_spaces,
    _no_options,
    _plain_types,
)


# ---- tiles


def _call(spec: InstructionSpec, plan: _Plan, target: Target, **change: Any) -> Call:
    operands: dict[str, Any] = {}
    for index, operand in enumerate(spec.operands):
        if operand.name in plan.others or not operand.takes_tile:
            operands[operand.name] = plan.others[operand.name]
        else:
            operands[operand.name] = _tile(operand, plan, target, index)
    return Call(operands=operands, attributes=dict(plan.attributes), **change)


def _tile(operand: OperandSpec, plan: _Plan, target: Target, index: int) -> AccessPattern:
    name = operand.name
    context = Context(dims={}, operands={}, attributes=plan.attributes, target=target)
    shape = shape_for(operand.shapes, context)
    counts = [plan.letters[e] if isinstance(e, str) else int(e) for e in shape.dims]
    space = plan.spaces[name]
    if len(counts) == 1:
        counts = [1, counts[0]]
    elif shape.spread and isinstance(shape.dims[-1], str):
        counts[-1:] = _split(counts[-1], plan.splits.get(name, 1))
    address = plan.addresses.get(name) if space != "hbm" else None
    tensor = TensorDecl(
        index=index,
        name=name,
        space=space,  # type: ignore[arg-type]
        buffer=space,
        shape=tuple(counts),
        dtype=plan.dtypes[name],
        address=address,
    )
    return tensor.whole()


def _split(count: int, parts: int) -> list[int]:
    """`count` as a product of `parts` numbers."""
    out = []
    for _ in range(parts - 1):
        factor = next((f for f in (2, 3) if count % f == 0), 1)
        out.append(factor)
        count //= factor
    return [*out, count]


# ---- illegal calls


def _mutations(spec: InstructionSpec, plan: _Plan, target: Target) -> list[Call]:
    call = _call(spec, plan, target)
    out: list[Call] = []
    for attribute in spec.attributes:
        out += _bad_attributes(attribute, call)
    for operand in spec.operands:
        value = call.operands[operand.name]
        out += _bad_kinds(operand, call)
        if isinstance(value, AccessPattern):
            out += _bad_tiles(operand, plan, call, spec, target)
    for limit in spec.limits:
        out += _over_limit(limit, spec, plan, target)
    return out


def _bad_attributes(attribute: AttributeSpec, call: Call) -> list[Call]:
    code = "operator" if attribute.kind == "operator" else "attribute"
    wrong: list[Any] = ["no_such_name"] if attribute.kind != "text" else [7]
    if attribute.high is not None:
        wrong.append(attribute.high + 1)
    if attribute.kind == "pattern":
        wrong.append(((1, 1),) * 5)
    return [
        replace(call, attributes=call.attributes | {attribute.name: value}, broken=code, how=attribute.name)
        for value in wrong
    ]


def _bad_kinds(operand: OperandSpec, call: Call) -> list[Call]:
    wrong: list[Any] = ["text"]
    kinds = {choice.name for choice in operand.kinds}
    if "none" not in kinds:
        wrong.append(None)
    if "register" not in kinds and operand.takes_tile:
        wrong.append(Register(9))
    return [
        replace(call, operands=call.operands | {operand.name: value}, broken="attribute", how=f"{operand.name}={value}")
        for value in wrong
    ]


def _bad_tiles(operand: OperandSpec, plan: _Plan, call: Call, spec: InstructionSpec, target: Target) -> list[Call]:
    out = []
    name = operand.name

    def changed(broken: str, how: str, **change: Mapping[str, Any]) -> Call:
        merged = {key: {**getattr(plan, key), **value} for key, value in change.items()}
        tile = _tile(operand, replace(plan, **merged), target, 90)
        return replace(call, operands=call.operands | {name: tile}, broken=broken, how=how)

    for space in ("hbm", "sbuf", "psum"):
        if space not in {c.name for c in operand.spaces}:
            out.append(changed("placement", f"{name} in {space}", spaces={name: space}))
    accepted = available(operand.dtypes, target)
    for dtype in ("int32", "tfloat32", "float8_e4m3fn"):
        if dtype not in accepted:
            out.append(changed("dtype", f"{name} is {dtype}", dtypes={name: dtype_of(dtype)}))
    if any(limit.rule == f"quadrants(tile={name})" for limit in spec.limits):
        out.append(changed("partition", f"{name} at partition 5", addresses={name: (5, 0)}))
    for letter in {e for shape in operand.shapes for e in shape.dims if isinstance(e, str)}:
        elsewhere = [o for o in spec.operands if o is not operand and _has_letter(o, letter, call)]
        count = plan.letters[letter]
        if elsewhere and all(limit.expression.names.isdisjoint({letter}) for limit in spec.limits):
            out.append(changed("shape", f"{letter} of {name}", letters={letter: count - 1 if count > 1 else count + 1}))
    return out


def _has_letter(operand: OperandSpec, letter: str, call: Call) -> bool:
    tile = isinstance(call.operands[operand.name], AccessPattern)
    return tile and any(letter in shape.dims for shape in operand.shapes)


def _over_limit(limit: Limit, spec: InstructionSpec, plan: _Plan, target: Target) -> list[Call]:
    """The plan with a letter that breaks `limit`, a formula over that letter alone."""
    names = limit.expression.names
    letters = names & plan.letters.keys()
    if len(names) != 1 or not letters or limit.severity != "error":
        return []
    letter = next(iter(letters))
    call = _call(spec, plan, target)
    context = Context(dims=plan.letters, operands=call.operands, attributes=call.attributes, target=target)
    context.engine = check(spec, call.operands, call.attributes, target).engine
    if not holds(limit.condition, context):
        return []
    for count in (*TOO_MANY, 2, 3):
        over = replace(context, dims={letter: count})
        if evaluate(limit.expression, over) is False:
            changed = replace(plan, letters=plan.letters | {letter: count})
            return [_call(spec, changed, target, broken=limit.code, how=f"{letter}={count}")]
    return []
