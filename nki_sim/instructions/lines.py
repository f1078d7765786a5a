"""Reads the lines of `.isa` blocks and rules: conditions, choices, engines' and limits' details."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lark import Token, Tree

from nki_sim.instructions.formulas import FormulaBuilder, Names
from nki_sim.instructions.isa_error import IsaError
from nki_sim.instructions.rules import PLACEHOLDER
from nki_sim.instructions.spec import ALWAYS, Choice, Condition, Limit
from nki_sim.instructions.wording import ATTRIBUTE_PROPERTIES, OPERAND_PROPERTIES, has_standard_message

CODES = ("shape", "dtype", "placement", "partition", "operator", "attribute")
SPACES = ("sbuf", "psum", "hbm")
ENGINES = ("tensor", "vector", "scalar", "gpsimd", "sync", "dma")


def names_of(node: Any) -> list[Token]:
    return [choice.children[0] for choice in node.children]


def expand(names: Iterable[Token], known: dict[str, tuple[Choice, ...]], what: str, file: str) -> tuple[Choice, ...]:
    out: list[Choice] = []
    for name in names:
        if str(name) not in known:
            raise IsaError(f"{name} is no {what}", file, name.line or 0, name.column or 0)
        out += [choice for choice in known[str(name)] if choice not in out]
    return tuple(out)


def number(token: Any) -> float:
    text = str(token)
    return float(text) if "." in text else int(text)


def string(token: Any) -> str:
    return str(token)[1:-1]


class LineReader:
    """Reads the lines that blocks and shared rules have in common: conditions, choices, details, limits."""

    def __init__(self, names: Names, file: str) -> None:
        self.file = file
        self.formulas = FormulaBuilder(names, file)

    def error(self, message: str, where: Any) -> IsaError:
        place = where.meta if isinstance(where, Tree) else where
        return IsaError(message, self.file, int(getattr(place, "line", 1)), int(getattr(place, "column", 1)))

    def _condition(self, nodes: Sequence[Any]) -> Condition:
        found = ALWAYS
        for node in nodes:
            if not isinstance(node, Tree):
                continue
            if node.data == "since":
                found = replace(found, since=int(str(node.children[0])[3:]))
            elif node.data == "until":
                found = replace(found, until=int(str(node.children[0])[3:]))
            elif node.data == "on":
                if str(node.children[0]) not in ENGINES:
                    raise self.error(f"{node.children[0]} is no engine", node.children[0])
                found = replace(found, on=str(node.children[0]))
            elif node.data == "when":
                found = replace(found, when=self.formulas.expression(node.children[0]))
        return found

    def choices(self, node: Tree[Token], known: dict[str, tuple[Choice, ...]], what: str) -> tuple[Choice, ...]:
        """The names of a list, each with the generations and engines it is qualified with."""
        out: list[Choice] = []
        for choice in node.children:
            assert isinstance(choice, Tree)
            condition = self._condition(choice.children[1:])
            for one in expand([choice.children[0]], known, what, self.file):  # type: ignore[list-item]
                out.append(one if condition == ALWAYS else replace(one, condition=condition))
        return tuple(out)

    def _details(self, node: Tree[Token]) -> dict[str, str]:
        out: dict[str, str] = {}
        for child in node.children:
            if not isinstance(child, Tree):
                continue
            if child.data in ("fact", "fix", "citation", "message"):
                out[str(child.data)] = string(child.children[0])
                self._check_template(string(child.children[0]), child)
            elif child.data in ("code", "blame"):
                out[str(child.data)] = str(child.children[0])
            elif child.data in ("warning", "notice"):
                out["severity"] = "note" if child.data == "notice" else "warning"
        return out

    def _check_template(self, text: str, where: Any) -> None:
        known = self.formulas.names
        for name, part in PLACEHOLDER.findall(text):
            operand = name in known.operands and part in OPERAND_PROPERTIES
            attribute = name in known.attributes and part in ATTRIBUTE_PROPERTIES
            if part and not operand and not attribute:
                raise self.error(f"{{{name}.{part}}} names nothing", where)
            plain = known.operands | known.letters | known.attributes | known.limits | {"engine", "target"}
            if not part and name not in plain:
                raise self.error(f"{{{name}}} names nothing", where)

    def limit(self, node: Tree[Token]) -> Limit:
        texts = self._details(node)
        expression = self.formulas.expression(node.children[0])
        if not texts.get("citation"):
            raise self.error("a limit needs a citation", node)
        code = texts.get("code", "shape")
        if code not in CODES:
            raise self.error(f"{code} is no code; there are {', '.join(CODES)}", node)
        blame = texts.get("blame", "")
        if blame and blame not in self.formulas.names.operands | self.formulas.names.attributes:
            raise self.error(f"{blame} is no operand or attribute", node)
        if not texts.get("message") and not has_standard_message(expression):
            raise self.error("this limit needs a message of its own (else ...)", node)
        return Limit(
            expression=expression,
            code=code,
            citation=texts["citation"],
            condition=self._condition(node.children[1:]),
            severity=texts.get("severity", "error"),  # type: ignore[arg-type]
            blame=blame,
            message=texts.get("message", ""),
            fact=texts.get("fact", ""),
            fix=texts.get("fix", ""),
        )
