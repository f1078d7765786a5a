"""Checks the operands and attributes of one instruction against its spec, and says which engine executes it.

`check` never raises, whatever the values are; what it finds are Violations. `check_cached` answers from a memo keyed by
`signature`, for recorders that meet the same shapes again and again.

Templates: messages, facts and fixes may hold {M} (a letter), {dst} (an operand as it is), {dst.dtype}, {dst.shape},
{dst.space}, {dst.start}, {dst.partitions}, {op} (an attribute), {pattern.elements}, {mask.length}, {engine}, {target}
and {gemm_moving_fmax} (a limit).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nki_sim.instructions import functions
from nki_sim.instructions.attributes import attribute_problem
from nki_sim.instructions.evaluate import Context, bind, evaluate, holds, shape_for
from nki_sim.instructions.spec import (
    FIRST_GENERATION,
    AttributeSpec,
    Choice,
    EngineRule,
    InstructionSpec,
    Limit,
    OperandSpec,
    Severity,
)
from nki_sim.instructions.wording import (
    article_list,
    fill,
    kind_of,
    limit_message,
    operand_shape,
    since_text,
)
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import ALL
from nki_sim.program.ir import Register
from nki_sim.targets import Target

UNSET_ENGINES = (None, "unknown")
_MEMO_ENTRIES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One broken rule.

    code      "shape", "dtype", "placement", "partition", "operator" or "attribute"
    operand   operand or attribute to point at, "" for the instruction as a whole
    message   one sentence with the instruction, the operand and the numbers
    fact      the hardware rule, "" if the message says it all
    fix       what to do instead, "" if that is plain
    """

    code: str
    operand: str
    message: str
    fact: str = ""
    fix: str = ""
    citation: str = ""
    severity: Severity = "error"
    owner: Literal["kernel", "documents", "simulator"] = "kernel"


@dataclass(frozen=True, slots=True)
class Checked:
    """The executing engine and what is wrong, errors and warnings alike, in the order found.

    form   number of the signature when it comes from the memo, see Instruction.form
    """

    engine: str
    violations: tuple[Violation, ...] = ()
    form: int = field(default=-1, compare=False)

    @property
    def ok(self) -> bool:
        """No errors; there may be warnings."""
        return all(v.severity != "error" for v in self.violations)


@dataclass(slots=True)
class _Findings:
    """Violations so far, and the names whose values are no use to later rules."""

    spec: InstructionSpec
    violations: list[Violation] = field(default_factory=list)
    unusable: set[str] = field(default_factory=set)

    def add(self, code: str, operand: str, message: str, fact: str = "", fix: str = "", citation: str = "") -> None:
        text = f"{self.spec.name}: {message}"
        self.violations.append(
            Violation(code=code, operand=operand, message=text, fact=fact, fix=fix, citation=citation)
        )


def check(spec: InstructionSpec, operands: Mapping[str, Any], attributes: Mapping[str, Any], target: Target) -> Checked:
    """The engine that executes the instruction on `target`, and every rule that these operands and attributes break."""
    findings = _Findings(spec)
    for attribute in spec.attributes:
        _check_attribute(findings, attribute, attributes.get(attribute.name), target)
    usable = {name: value for name, value in attributes.items() if name not in findings.unusable}
    tiles = {o.name: operands.get(o.name) for o in spec.operands}
    context = Context(dims={}, operands=tiles, attributes=usable, target=target)
    context.engine = _resolve_engine(findings, context)
    for operand in spec.operands:
        _check_operand(findings, operand, tiles[operand.name], context)
    for name in findings.unusable & tiles.keys():
        tiles[name] = None
    context.dims = bind(spec, tiles, usable, target)
    mismatches = _check_shapes(findings, context)
    letters = _check_limits(findings, context)
    findings.violations += [violation for letter, violation in mismatches if letter not in letters]
    return Checked(context.engine, tuple(findings.violations))


def _check_attribute(findings: _Findings, attribute: AttributeSpec, value: Any, target: Target) -> None:
    problem = attribute_problem(attribute, value, target)
    if problem is None:
        return
    if not problem.usable:
        findings.unusable.add(attribute.name)
    findings.add(problem.code, attribute.name, problem.message, problem.fact, problem.fix)


def _resolve_engine(findings: _Findings, context: Context) -> str:
    spec = findings.spec
    requested = context.attributes.get("engine") if spec.has_engine else None
    if requested in UNSET_ENGINES:
        for rule in spec.defaults:
            if holds(rule.condition, context):
                return rule.engine
        return next((r.engine for r in spec.engines if r.condition.covers(context.target.generation)), "")
    rules = [rule for rule in spec.engines if rule.engine == requested]
    if not any(holds(rule.condition, context) for rule in rules):
        rule = rules[0] if rules else EngineRule(engine=str(requested))
        extent = since_text(rule.condition)
        message = f"engine is {requested}, which cannot execute it"
        message += f" on {context.target.name}" if extent else ""
        findings.add("attribute", "engine", message, rule.fact or extent, rule.fix, rule.citation)
    return str(requested)


def _check_operand(findings: _Findings, operand: OperandSpec, value: Any, context: Context) -> None:
    kind = kind_of(value)
    if kind == "tile":
        if not operand.takes_tile:
            findings.unusable.add(operand.name)
            wanted = article_list([c.name for c in operand.kinds])
            findings.add("attribute", operand.name, f"{operand.name} is a tile; it must be {wanted}")
            return
        _check_tile(findings, operand, value, context)
        return
    accepted = {kind} | ({"scalar"} if kind == "integer" else set())
    matching = [choice for choice in operand.kinds if choice.name in accepted]
    if any(holds(choice.condition, context) for choice in matching):
        return
    findings.unusable.add(operand.name)
    wanted = article_list((["tile"] if operand.takes_tile else []) + [c.name for c in operand.kinds])
    if matching:
        fact = since_text(matching[0].condition)
        message = f"{operand.name} is {article_list([kind])}, which {context.target.name} does not take"
        findings.add("attribute", operand.name, message, fact, "pass a tile [P, 1] instead" if kind != "none" else "")
    elif kind == "none":
        findings.add("attribute", operand.name, f"{operand.name} is missing; it must be {wanted}")
    else:
        shown = kind if kind in ("integer", "scalar", "register") else f"{type(value).__name__}"
        findings.add("attribute", operand.name, f"{operand.name} is {article_list([shown])}; it must be {wanted}")


def _check_tile(findings: _Findings, operand: OperandSpec, tile: AccessPattern, context: Context) -> None:
    spec, target = findings.spec, context.target
    spaces = [c.name for c in operand.spaces if holds(c.condition, context)]
    reachable = spec.reach.get(context.engine, ())
    if tile.space not in spaces:
        there = " or ".join(spaces) if spaces else "no memory"
        message = f"{operand.name} is in {tile.space}; it must be in {there}"
        if any(c.condition.on for c in operand.spaces):
            message += f" on the {context.engine} engine"
        fact = _space_fact(operand, tile.space, context.engine)
        findings.add("placement", operand.name, message, fact, _space_fix(operand, tile.space, spaces))
    elif reachable and tile.space not in reachable:
        message = f"{operand.name} is in {tile.space}, which the {context.engine} engine cannot reach"
        fact = f"the {context.engine} engine reaches {' and '.join(reachable)} only"
        findings.add("placement", operand.name, message, fact, _reach_fix(spec, tile.space))
    accepted = [c.name for c in operand.dtypes if holds(c.condition, context)]
    if tile.dtype.name not in accepted:
        later = [c for c in operand.dtypes if c.name == tile.dtype.name and not c.condition.covers(target.generation)]
        message = f"{operand.name} is {tile.dtype.name}; {_wanted_dtypes(operand, accepted, target)}"
        fact = since_text(later[0].condition) if later else ""
        findings.add("dtype", operand.name, message, fact, _dtype_fix(operand, tile, accepted))


def _wanted_dtypes(operand: OperandSpec, accepted: list[str], target: Target) -> str:
    """What the type must be; when nearly all will do, what it must not be."""
    varies = any(choice.condition.since > FIRST_GENERATION for choice in operand.dtypes)
    where = f"on {target.name} it" if varies else "it"
    others = [str(dtype) for dtype in ALL if dtype not in accepted]
    if len(others) < len(accepted) / 2:
        return f"{where} may be any type but {article_list(others, '')}"
    return f"{where} must be {article_list(accepted, '')}"


def _dtype_fix(operand: OperandSpec, tile: AccessPattern, accepted: list[str]) -> str:
    same_size = ["float32"] if tile.dtype.itemsize == 4 else []
    best = next((name for name in (*same_size, "bfloat16") if name in accepted), accepted[0] if accepted else "")
    if not best:
        return ""
    if operand.is_output:
        return f"allocate {operand.name} as {best}"
    return f"cast {operand.name} to {best} first, for example with tensor_copy"


def _space_fact(operand: OperandSpec, space: str, engine: str) -> str:
    only = [c for c in operand.spaces if c.name == space]
    if only and only[0].condition.on:
        return f"{space} is possible on the {only[0].condition.on} engine only"
    if space == "hbm":
        return f"the {engine} engine reads and writes on-chip memory only; DMA moves data to and from hbm"
    spaces = " or ".join(choice.name for choice in operand.spaces)
    return f"the {engine} engine {'writes' if operand.is_output else 'reads'} {operand.name} in {spaces} only"


def _space_fix(operand: OperandSpec, space: str, spaces: list[str]) -> str:
    if not spaces:
        return ""
    copy = "dma_copy" if "hbm" in (space, *spaces) and spaces != ["hbm", "sbuf"] else "tensor_copy"
    if operand.is_output:
        return f"allocate {operand.name} in {spaces[0]} and move the result on with {copy}"
    return f"bring {operand.name} to {'sbuf' if 'sbuf' in spaces else spaces[0]} with {copy} first"


def _reach_fix(spec: InstructionSpec, space: str) -> str:
    able = [rule.engine for rule in spec.engines if space in spec.reach.get(rule.engine, ())]
    if able:
        return f"run it on the {' or '.join(able)} engine, or copy the tile to sbuf first"
    return "copy the tile to sbuf first"


def _check_shapes(findings: _Findings, context: Context) -> list[tuple[str, Violation]]:
    """Adds what does not match its shape; returns the letters that disagree, to be weighed after the limits."""
    spec = findings.spec
    origin: dict[str, str] = {}
    disagreements: list[tuple[str, Violation]] = []
    for operand in spec.binding_order:
        tile = context.operands.get(operand.name)
        if not isinstance(tile, AccessPattern):
            continue
        shape = shape_for(operand.shapes, context)
        found = functions.match(shape, tile)
        shown = operand_shape(operand, tile, context)
        if found is None or any(isinstance(entry, int) and entry != count for entry, count in found):
            when = shape.condition.when if shape is not None else None
            fact = f"this is its shape when {when.text}" if when is not None else ""
            findings.add("shape", operand.name, f"{operand.name} is {shown}; it must be {shape}", fact)
            continue
        for entry, count in found:
            if not isinstance(entry, str):
                continue
            first = origin.setdefault(entry, operand.name)
            if count != context.dims[entry]:
                text = f"{spec.name}: {operand.name} is {shown}; {entry} is {context.dims[entry]} in {first}"
                fix = f"make {entry} of {operand.name} and {first} equal"
                rule = _letter_fact(spec, entry)
                disagreements.append(
                    (entry, Violation(code="shape", operand=operand.name, message=text, fact=rule, fix=fix))
                )
    return disagreements


def _letter_fact(spec: InstructionSpec, letter: str) -> str:
    shapes = [f"{o.name} {o.shapes[-1]}" for o in spec.operands if o.shapes and letter in o.shapes[-1].dims]
    return f"a letter has one value in all operands: {', '.join(shapes)}"


def _check_limits(findings: _Findings, context: Context) -> set[str]:
    """Adds broken limits; returns the dimension letters they read."""
    letters: set[str] = set()
    for limit in findings.spec.limits:
        if limit.expression.names & findings.unusable or not holds(limit.condition, context):
            continue
        if evaluate(limit.expression, context) is not False:
            continue
        findings.violations.append(_broken(findings.spec, limit, context))
        if limit.severity == "error":
            letters |= limit.expression.names & context.dims.keys()
    return letters


def _broken(spec: InstructionSpec, limit: Limit, context: Context) -> Violation:
    blame = limit.blame or _blamed(spec, limit, context)
    return Violation(
        code=limit.code,
        operand=blame,
        message=f"{spec.name}: {limit_message(spec, limit, blame, context)}",
        fact=fill(limit.fact, spec, context),
        fix=fill(limit.fix, spec, context),
        citation=limit.citation,
        severity=limit.severity,
    )


def _blamed(spec: InstructionSpec, limit: Limit, context: Context) -> str:
    """The first operand that the formula names, the first input that binds one of its letters, or an attribute."""
    names = limit.expression.names
    for operand in spec.operands:
        if operand.name in names:
            return operand.name
    for operand in spec.binding_order:
        tile = context.operands.get(operand.name)
        shape = shape_for(operand.shapes, context) if isinstance(tile, AccessPattern) else None
        if shape is not None and names & set(shape.dims):
            return operand.name
    return next((a.name for a in spec.attributes if a.name in names), "")


def available(choices: tuple[Choice, ...], target: Target) -> tuple[str, ...]:
    """Names among `choices` that `target` has, whatever the values of other operands."""
    return tuple(dict.fromkeys(c.name for c in choices if c.condition.covers(target.generation)))


def signature(
    spec: InstructionSpec, operands: Mapping[str, Any], attributes: Mapping[str, Any], target: Target
) -> tuple[Any, ...]:
    """A key that is equal for calls that `check` cannot tell apart. May hold unhashable values of the caller's."""
    values = tuple(attributes.values())
    parts: list[Any] = [spec.name, target.name, tuple(operands), values]
    parts += map(type, values)
    append = parts.append
    for value in operands.values():
        kind = type(value)
        if kind is AccessPattern:
            tensor = value.tensor
            space, address = tensor.space, tensor.address
            where: Any = 0 if address is None else address[0]
            if space == "psum":
                where = (address, value.offset)
            # No tuple around them: an operand that starts with a dtype has five parts.
            parts += (value.dtype, space, value.partition, value.dims, where)
            if value.dynamic is not None or value.vector is not None:
                append(_dynamic_key(value))
        elif value is None or kind is Register:
            append(kind)
        elif kind is float or kind is int:
            append((kind, value == 0, value % 1 == 0))
        else:
            append((kind, value))
    return tuple(parts)


def _dynamic_key(tile: AccessPattern) -> tuple[Any, ...]:
    if tile.vector is None:
        return (type(tile.dynamic.source) if tile.dynamic is not None else None,)
    index = tile.vector.index
    return (index.dtype, index.space, index.partition, index.dims)


_memo: dict[tuple[Any, ...], Checked] = {}
# Never used twice, even when the memo is emptied.
_forms = itertools.count()


def check_cached(
    spec: InstructionSpec, operands: Mapping[str, Any], attributes: Mapping[str, Any], target: Target
) -> Checked:
    """`check`, from a bounded memo when the same signature was checked before."""
    key = signature(spec, operands, attributes, target)
    try:
        found = _memo.get(key)
    except TypeError:
        return check(spec, operands, attributes, target)
    if found is None:
        if len(_memo) >= _MEMO_ENTRIES:
            _memo.clear()
        found = _memo[key] = replace(check(spec, operands, attributes, target), form=next(_forms))
    elif found.violations and any(type(value) in (int, float) for value in operands.values()):
        # The key leaves out what numbers are, the messages do not.
        return replace(check(spec, operands, attributes, target), form=found.form)
    return found
