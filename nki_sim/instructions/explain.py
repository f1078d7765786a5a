"""`explain(name, target)`: an instruction's operands, limits, costs and sources, for the command line."""

from __future__ import annotations

from rich.console import Group
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nki_sim.instructions.rendering import (
    attribute_text,
    cost_line,
    cost_source,
    default_text,
    engine_line,
    limit_text,
    operand_text,
    own_limits,
    plain_template,
    shared_rule_lines,
)
from nki_sim.instructions.spec import CostRule, InstructionSpec, Limit, Tree
from nki_sim.instructions.table import SPECS
from nki_sim.targets import Target


def explain(name: str, target: Target) -> Group:
    """Everything the spec of `name` says about `target`. Raises KeyError for an unknown instruction."""
    spec = SPECS[name]
    parts: list[Text | Table | Padding] = [Text(f"nisa.{spec.name}", style="bold"), Text(spec.summary), Text("")]
    if spec.description:
        paragraphs = [" ".join(paragraph.split()) for paragraph in spec.description.split("\n\n")]
        parts += [Padding(Text("\n\n".join(paragraphs)), (0, 0, 1, 2))]
    parts += [_parameters(spec), Text(""), _engines(spec, target)]
    limits = [limit for limit in own_limits(spec) if limit.condition.covers(target.generation)]
    if limits:
        parts += [Text(""), _limits(limits, target)]
    rules = shared_rule_lines(spec)
    if rules:
        parts += [Text(""), *(Text(f"  {line}") for line in rules)]
    parts += [Text(""), _costs(spec, target), Text("")]
    if spec.non_goals:
        parts.append(Text("non-goals  " + " ".join(spec.non_goals)))
    parts.append(Text("sources    " + "; ".join(spec.citations)))
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold", title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _parameters(spec: InstructionSpec) -> Table:
    table = _table("parameter", "", "accepts", "meaning")
    for parameter in spec.parameters:
        if parameter.is_operand:
            operand = spec.operand[parameter.name]
            table.add_row(parameter.name, operand.direction, escape(operand_text(operand)), escape(operand.description))
        else:
            attribute = spec.attribute[parameter.name]
            accepts = ", ".join(filter(None, (attribute_text(attribute), default_text(attribute.default))))
            table.add_row(parameter.name, "", escape(accepts), escape(attribute.description))
    return table


def _engines(spec: InstructionSpec, target: Target) -> Text:
    able = [rule for rule in spec.engines if rule.condition.covers(target.generation)]
    text = f"engines on {target.name}: " + "; ".join(engine_line(rule) for rule in able)
    if spec.defaults:
        text += "\nwithout engine=: " + "; otherwise ".join(engine_line(rule) for rule in spec.defaults)
    return Text(text)


def _limits(limits: list[Limit], target: Target) -> Table:
    table = _table(f"limit on {target.name}", "why", "source")
    for limit in limits:
        numbers = _limit_values(limit.expression.tree, target)
        text = limit_text(limit) + (f"   [{numbers}]" if numbers else "")
        table.add_row(escape(text), escape(plain_template(limit.fact)), escape(limit.citation))
    return table


def _costs(spec: InstructionSpec, target: Target) -> Table:
    table = _table(f"cost in engine cycles on {target.name}, first line that applies", "source")
    for rule in spec.costs:
        if rule.condition.covers(target.generation):
            table.add_row(escape(cost_line(rule)) + escape(_constants(rule)), escape(cost_source(rule)))
    return table


def _limit_values(tree: Tree, target: Target) -> str:
    found = dict.fromkeys(_of_kind(tree, "limit"))
    return ", ".join(f"{name} = {target.limit(name)}" for name in found)


def _constants(rule: CostRule) -> str:
    if rule.expression is None:
        return ""
    found = dict.fromkeys(_of_kind(rule.expression.tree, "constant"))
    values = _constant_values(rule.expression.tree)
    return f"   [{', '.join(f'{name} = {values[name]}' for name in found)}]" if found else ""


def _of_kind(tree: Tree, kind: str) -> list[str]:
    if tree[0] == kind:
        return [str(tree[1])]
    return [name for part in tree[1:] if isinstance(part, tuple) and part for name in _of_kind(part, kind)]


def _constant_values(tree: Tree) -> dict[str, float]:
    if tree[0] == "constant":
        return {str(tree[1]): tree[2]}
    out: dict[str, float] = {}
    for part in tree[1:]:
        if isinstance(part, tuple) and part:
            out |= _constant_values(part)
    return out
