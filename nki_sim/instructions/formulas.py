"""Turns a parsed formula into the tree that `evaluate` reads, resolving every name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lark import Token

from nki_sim.instructions.evaluate import IS_TESTS
from nki_sim.instructions.functions import FUNCTIONS
from nki_sim.instructions.isa_error import IsaError
from nki_sim.instructions.rules import text_of
from nki_sim.instructions.spec import Expression
from nki_sim.instructions.spec import Tree as Formula


@dataclass(kw_only=True)
class Names:
    """What a name in a formula may mean, in the order tried."""

    letters: set[str] = field(default_factory=set)
    operands: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    constants: Mapping[str, float] = field(default_factory=dict)
    limits: set[str] = field(default_factory=set)
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    engine_is_attribute: bool = False


class FormulaBuilder:
    """Formulas of one instruction block."""

    def __init__(self, names: Names, file: str) -> None:
        self.names = names
        self.file = file

    def expression(self, node: Any) -> Expression:
        tree = self._build(node)
        return Expression(text=text_of(tree), tree=tree)

    def _error(self, message: str, token: Any) -> IsaError:
        return IsaError(message, self.file, getattr(token, "line", 0) or 0, getattr(token, "column", 0) or 0)

    def _build(self, node: Any) -> Formula:
        kind = str(node.data)
        children = node.children
        if kind == "number":
            return ("number", number(children[0]))
        if kind == "name":
            return self._name(children[0])
        if kind == "call":
            return self._call(children)
        if kind in ("compare", "arithmetic"):
            return (str(children[1]), self._build(children[0]), self._build(children[2]))
        if kind in ("test", "test_not"):
            assert str(children[1]) in IS_TESTS
            tree: Formula = ("is", self._build(children[0]), str(children[1]))
            return tree if kind == "test" else ("not", tree)
        if kind in ("member", "not_member"):
            label = str(children[1].children[0]) if children[1].data == "named_set" else ""
            tree = ("in", self._build(children[0]), self._members(children[1]), label)
            return tree if kind == "member" else ("not", tree)
        parts = tuple(self._build(child) for child in children)
        if kind == "implies":
            return ("or", ("not", parts[0]), parts[1])
        if kind == "minus":
            return ("-", ("number", 0), parts[0])
        return ({"either": "or", "both": "and", "negate": "not", "conditional": "if"}[kind], *parts)

    def _name(self, token: Token) -> Formula:
        name, names = str(token), self.names
        if name in names.letters:
            return ("dim", name)
        if name == "engine" and not names.engine_is_attribute:
            return ("engine",)
        if name == "generation":
            return ("generation",)
        if name in names.operands:
            return ("operand", name)
        if name in names.attributes:
            return ("attribute", name)
        if name in names.constants:
            return ("constant", name, names.constants[name])
        if name in names.limits:
            return ("limit", name)
        if name in names.symbols:
            return ("symbol", name)
        raise self._error(f"{name} is no letter, operand, attribute, constant, limit or value", token)

    def _call(self, children: list[Any]) -> Formula:
        name = str(children[0])
        if name not in FUNCTIONS:
            raise self._error(f"there is no function {name}; there are {', '.join(sorted(FUNCTIONS))}", children[0])
        return ("call", name, *(self._build(child) for child in children[1:] if child is not None))

    def _members(self, node: Any) -> tuple[Any, ...]:
        if node.data == "named_set":
            name = str(node.children[0])
            if name not in self.names.sets:
                raise self._error(f"there is no set {name}", node.children[0])
            return self.names.sets[name]
        out: list[Any] = []
        for item in node.children:
            if item.type == "NUMBER":
                out.append(number(item))
            elif str(item) in self.names.sets:
                out += self.names.sets[str(item)]
            elif str(item) in self.names.symbols:
                out.append(str(item))
            else:
                raise self._error(f"{item} is no value", item)
        return tuple(out)


def number(token: Any) -> float:
    text = str(token)
    return float(text) if "." in text else int(text)
