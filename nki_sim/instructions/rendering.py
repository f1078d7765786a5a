"""Words for a spec: operands, limits, engines and costs as lines of text, for docstrings, docs and `explain`."""

from __future__ import annotations

from nki_sim.instructions.rules import PLACEHOLDER
from nki_sim.instructions.spec import (
    ALWAYS,
    FIRST_GENERATION,
    LAST_GENERATION,
    REQUIRED,
    AttributeSpec,
    Choice,
    Condition,
    CostRule,
    EngineRule,
    InstructionSpec,
    Limit,
    OperandSpec,
)
from nki_sim.instructions.wording import KIND_NAMES

ALL_DTYPES = 14


def condition_text(condition: Condition) -> str:
    """ "from gen3 on, on the vector engine, when ..."; "" for always."""
    parts = []
    if condition.since == condition.until < LAST_GENERATION:
        parts.append(f"on gen{condition.since}")
    else:
        if condition.since > FIRST_GENERATION:
            parts.append(f"from gen{condition.since} on")
        if condition.until < LAST_GENERATION:
            parts.append(f"up to gen{condition.until}")
    if condition.on is not None:
        parts.append(f"on the {condition.on} engine")
    if condition.when is not None:
        parts.append(f"when {condition.when.text}")
    return ", ".join(parts)


def choices_text(choices: tuple[Choice, ...]) -> str:
    """ "float32, bfloat16 (from gen4 on)"."""
    if len(choices) == ALL_DTYPES and all(c.condition == ALWAYS for c in choices):
        return "any type"
    words = []
    for choice in choices:
        extra = condition_text(choice.condition)
        words.append(f"{choice.name} ({extra})" if extra else choice.name)
    return ", ".join(words)


def operand_text(operand: OperandSpec) -> str:
    """What may stand for the operand: "[K, M...], in sbuf; float32, ...; or a number"."""
    parts = []
    if operand.takes_tile:
        shapes = []
        for shape in reversed(operand.shapes):
            extra = condition_text(shape.condition)
            shapes.append(f"{shape} {extra}" if extra else str(shape))
        parts.append(f"tile {' or '.join(shapes)} in {choices_text(operand.spaces).replace(', ', ' or ')}")
        parts.append(choices_text(operand.dtypes))
    for kind in operand.kinds:
        extra = condition_text(kind.condition)
        parts.append(f"or {KIND_NAMES[kind.name]}" + (f" ({extra})" if extra else ""))
    text = "; ".join(parts)
    return text.removeprefix("or ")


def attribute_text(attribute: AttributeSpec) -> str:
    """What the attribute may be."""
    words = {
        "bool": "True or False",
        "int": "an integer",
        "number": "a number",
        "pattern": "a list of [step, count] pairs",
        "axes": "an int or a list of ints",
        "pair": "a pair of integers",
        "mask": "a list of integers",
        "text": "a string",
    }
    if attribute.kind == "operator":
        names = [f"{name.replace('_', ' ')} operators" for name in attribute.sets]
        text = " and ".join(names) if names else choices_text(attribute.choices)
    elif attribute.kind == "enum":
        text = f"nisa.{attribute.enum}: {choices_text(attribute.choices)}"
    else:
        text = words[attribute.kind]
    if attribute.low is not None:
        text += f" from {attribute.low} to {attribute.high}"
    if attribute.none:
        text += ", or None"
    extra = condition_text(attribute.condition)
    return f"{text} ({extra})" if extra else text


def default_text(default: object) -> str:
    return "" if default is REQUIRED else f"default {default}"


def limit_text(limit: Limit) -> str:
    """The formula and when it applies."""
    extra = condition_text(limit.condition)
    text = f"{limit.expression.text}, {extra}" if extra else limit.expression.text
    return text if limit.severity == "error" else f"{text} ({limit.severity})"


def own_limits(spec: InstructionSpec) -> list[Limit]:
    """Limits that are written in the block itself."""
    return [limit for limit in spec.limits if not limit.rule]


def shared_rules(spec: InstructionSpec) -> list[str]:
    """Applications of shared rules: "quadrants(tile=dst)"."""
    return list(dict.fromkeys(limit.rule for limit in spec.limits if limit.rule))


RULE_TEXT = {
    "quadrants": "start partitions: 65 to 128 partitions start at 0, 33 to 64 at 0 or 64, up to 32 at 0, 32, 64 or 96",
    "bits": "bitwise operators take integer tiles only",
    "one_psum_input": "at most one of two inputs in psum",
    "float32_operand": "documented as float32; other types give a warning",
    "unary_operand": "None or 0 for a unary operator",
}


def shared_rule_lines(spec: InstructionSpec) -> list[str]:
    """One line per shared rule: what it says and for which operands."""
    names: dict[str, list[str]] = {}
    for application in shared_rules(spec):
        name, _, arguments = application.removesuffix(")").partition("(")
        actual = [pair.split("=")[1] for pair in arguments.split(", ")]
        names.setdefault(name, []).append(" and ".join(actual))
    return [f"{RULE_TEXT[name]} ({', '.join(operands)})" for name, operands in names.items()]


def engine_line(rule: EngineRule) -> str:
    extra = condition_text(rule.condition)
    return f"{rule.engine}, {extra}" if extra else rule.engine


def cost_line(rule: CostRule) -> str:
    """ "max(MIN_II, F / 4), from gen3 on, when ..."."""
    text = "undocumented" if rule.expression is None else rule.expression.text
    if rule.part:
        text = f"{rule.part.replace('_', ' ')}: {text}"
    extra = condition_text(rule.condition)
    return f"{text}, {extra}" if extra else text


def cost_source(rule: CostRule) -> str:
    return f"assumed: {rule.citation}" if rule.assumed else rule.citation


def plain_template(text: str) -> str:
    """A fact or fix with its placeholders as bare names."""
    return PLACEHOLDER.sub(lambda found: found[1] if not found[2] else f"{found[1]}'s {found[2]}", text)
