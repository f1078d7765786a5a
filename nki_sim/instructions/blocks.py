"""Turns a parsed instruction block into its InstructionSpec, and holds the names that blocks share."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field, replace
from typing import Any

from lark import Token, Tree

from nki_sim.instructions.attributes import KINDS
from nki_sim.instructions.formulas import Names
from nki_sim.instructions.isa_error import IsaError
from nki_sim.instructions.lines import ENGINES, SPACES, LineReader, expand, names_of, number, string
from nki_sim.instructions.rules import applied
from nki_sim.instructions.spec import (
    ALWAYS,
    REQUIRED,
    AttributeSpec,
    Choice,
    CostRule,
    EngineRule,
    InstructionSpec,
    Limit,
    OperandSpec,
    ShapeSpec,
)
from nki_sim.program import dtypes


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A shared rule: limits whose formulas read its parameters as if they were operands."""

    parameters: tuple[str, ...]
    limits: tuple[Limit, ...]


@dataclass(kw_only=True)
class Common:
    """The names that common.isa defines."""

    dtypes: dict[str, tuple[Choice, ...]] = field(default_factory=dict)
    operators: dict[str, tuple[Choice, ...]] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    limits: set[str] = field(default_factory=set)
    reach: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)

    def names(self) -> Names:
        """What formulas of any block may name."""
        symbols: set[str] = {str(d) for d in dtypes.ALL} | set(ENGINES) | set(SPACES)
        for operators in self.operators.values():
            symbols |= {choice.name for choice in operators}
        sets = {k: tuple(c.name for c in v) for k, v in (self.dtypes | self.operators).items()}
        return Names(constants=self.constants, limits=self.limits, sets=sets, symbols=symbols)

    def define(self, node: Tree[Token], file: str) -> None:
        """Adds a shared definition."""
        name = str(node.children[0])
        if node.data == "dtypes":
            known = {str(d): (Choice(name=str(d)),) for d in dtypes.ALL} | self.dtypes
            self.dtypes[name] = expand(names_of(node.children[1]), known, "dtype", file)
        elif node.data == "operators":
            members = names_of(node.children[1])
            known = self.operators | {str(n): (Choice(name=str(n)),) for n in members if str(n) not in self.operators}
            assert isinstance(node.children[1], Tree)
            self.operators[name] = LineReader(self.names(), file).choices(node.children[1], known, "operator")
        elif node.data == "constant":
            self.constants[name] = number(node.children[1])
        elif node.data == "target_limits":
            self.limits.update(map(str, node.children))
        elif node.data == "reach":
            self.reach[name] = tuple(str(child) for child in node.children[1:-1])
        else:
            parameters = tuple(str(c) for c in node.children if isinstance(c, Token))[1:]
            reader = LineReader(replace(self.names(), operands=set(parameters)), file)
            lines = [c for c in node.children if isinstance(c, Tree) and c.data == "limit"]
            self.rules[name] = Rule(parameters=parameters, limits=tuple(reader.limit(line) for line in lines))


class Block(LineReader):
    """One instruction block, turned into its spec."""

    def __init__(self, node: Tree[Token], file: str, family: str, common: Common) -> None:
        self.family = family
        self.common = common
        self.name = str(node.children[0])
        self.line = node.meta.line
        self.summary = string(node.children[1])
        self.statements = [s for s in node.children[2:] if isinstance(s, Tree)]
        super().__init__(self._known(), file)

    def _of(self, kind: str) -> list[Tree[Token]]:
        return [s for s in self.statements if s.data == kind]

    def _known(self) -> Names:
        letters: set[str] = set()
        shared = self.common.names()
        symbols = set(shared.symbols)
        for node in self._of("operand"):
            for shape in node.find_data("shape"):
                letters |= {str(e) for e in shape.children if isinstance(e, Token) and e.type == "NAME"}
        for node in self._of("attribute"):
            for kind in node.find_data("enum_kind"):
                symbols |= {str(n) for n in names_of(kind.children[1])}
        return replace(
            shared,
            letters=letters,
            operands={str(n.children[1]) for n in self._of("operand")},
            attributes={str(n.children[0]) for n in self._of("attribute")},
            symbols=symbols,
            engine_is_attribute=any(str(n.children[0]) == "dma" for n in self._of("engine")),
        )

    def build(self) -> InstructionSpec:
        operands = [self._operand(n) for n in self._of("operand")]
        attributes = [self._attribute(n) for n in self._of("attribute")]
        named = [n for n in self.statements if n.data in ("operand", "attribute")]
        order = [str(n.children[1 if n.data == "operand" else 0]) for n in named]
        if len(set(order)) != len(order):
            raise self.error(f"{self.name} names a parameter twice", self.statements[0])
        limits: list[Limit] = []
        for node in self.statements:
            if node.data == "limit":
                limits.append(self.limit(node))
            elif node.data == "apply":
                limits += self._apply(node)
        engines = tuple(self._engine(n) for n in self._of("engine"))
        if not engines:
            raise IsaError(f"{self.name} names no engine", self.file, self.line, 1)
        return InstructionSpec(
            name=self.name,
            family=self.family,
            summary=self.summary,
            description="\n\n".join(textwrap.dedent(str(n.children[0])[3:-3]).strip() for n in self._of("describe")),
            operands=tuple(operands),
            attributes=tuple(attributes),
            order=tuple(order),
            engines=engines,
            defaults=tuple(self._engine(n) for n in self._of("default")),
            limits=tuple(limits),
            costs=tuple(self._cost(n) for n in self._of("cost")),
            citations=tuple(string(n.children[0]) for n in self._of("cite")),
            non_goals=tuple(string(n.children[0]) for n in self._of("beyond")),
            has_engine=any(a.name == "engine" for a in attributes) and all(e.engine != "dma" for e in engines),
            has_name=not self._of("unnamed"),
            reach=dict(self.common.reach),
        )

    # ---- parts

    def _operand(self, node: Tree[Token]) -> OperandSpec:
        direction, name, *alternatives, default, text = node.children
        shapes: tuple[ShapeSpec, ...] = ()
        types: tuple[Choice, ...] = ()
        spaces: tuple[Choice, ...] = ()
        kinds: list[Choice] = []
        for one in alternatives:
            assert isinstance(one, Tree)
            if one.data == "kind":
                kinds.append(Choice(name=str(one.children[0]), condition=self._condition(one.children[1:])))
                continue
            found = [self._shape(child) for child in one.children if isinstance(child, Tree) and child.data == "shape"]
            shapes = tuple(sorted(found, key=lambda s: s.condition == ALWAYS))
            type_node, space_node = (c for c in one.children if isinstance(c, Tree) and c.data == "choices")
            every = {str(d): (Choice(name=str(d)),) for d in dtypes.ALL} | self.common.dtypes
            types = self.choices(type_node, every, "dtype")
            spaces = self.choices(space_node, {s: (Choice(name=s),) for s in SPACES}, "memory space")
        return OperandSpec(
            name=str(name),
            direction=str(direction),  # type: ignore[arg-type]
            shapes=shapes,
            dtypes=types,
            spaces=spaces,
            kinds=tuple(kinds),
            default=self._default(default),
            description=string(text),
        )

    def _shape(self, node: Tree[Token]) -> ShapeSpec:
        entries = [e for e in node.children if isinstance(e, Token) and e.type in ("NAME", "NUMBER")]
        return ShapeSpec(
            dims=tuple(str(e) if e.type == "NAME" else int(e) for e in entries),
            spread=any(isinstance(e, Token) and e.type == "SPREAD" for e in node.children),
            condition=self._condition(node.children),
        )

    def _default(self, node: Any) -> Any:
        if node is None:
            return REQUIRED
        if node.data == "number_value":
            return number(node.children[0])
        if node.data == "negative_value":
            return -number(node.children[0])
        if node.data == "name_value":
            return str(node.children[0])
        return {"none_value": None, "true_value": True, "false_value": False, "empty_value": ()}[str(node.data)]

    def _attribute(self, node: Tree[Token]) -> AttributeSpec:
        name, kind, none, *rest, default, text = node.children
        assert isinstance(kind, Tree)
        spec = AttributeSpec(
            name=str(name),
            kind=str(kind.data).removesuffix("_kind"),
            none=none is not None,
            default=self._default(default),
            description=string(text),
            condition=self._condition(rest),
        )
        if spec.kind == "operator":
            names = names_of(kind.children[0])
            known = self.common.operators | {
                c.name: (Choice(name=c.name),) for ops in self.common.operators.values() for c in ops
            }
            sets = tuple(str(n) for n in names if str(n) in self.common.operators)
            return replace(spec, choices=self.choices(kind.children[0], known, "operator"), sets=sets)  # type: ignore[arg-type]
        if spec.kind == "enum":
            values = kind.children[1]
            every = {str(n): (Choice(name=str(n)),) for n in names_of(values)}
            if spec.default is None and "none" in every:
                spec = replace(spec, default="none")
            return replace(spec, enum=str(kind.children[0]), choices=self.choices(values, every, "value"))  # type: ignore[arg-type]
        if spec.kind == "integer":
            low, high = (None if c is None else int(number(c)) for c in kind.children)
            return replace(spec, kind="int", low=low, high=high)
        spec = replace(spec, kind=str(kind.children[0]))
        assert spec.kind in KINDS
        return spec

    def _engine(self, node: Tree[Token]) -> EngineRule:
        name = node.children[0]
        if str(name) not in ENGINES:
            raise self.error(f"{name} is no engine", name)
        texts = self._details(node)
        return EngineRule(
            engine=str(name),
            condition=self._condition(node.children),
            citation=texts.get("citation", ""),
            fact=texts.get("fact", ""),
            fix=texts.get("fix", ""),
        )

    def _apply(self, node: Tree[Token]) -> list[Limit]:
        """The limits of a shared rule: once per operand for a rule of one parameter, once in all otherwise."""
        name, *arguments = node.children
        rule = self.common.rules.get(str(name))
        if rule is None:
            raise self.error(f"there is no rule {name}", name)
        groups = [[a] for a in arguments] if len(rule.parameters) == 1 else [arguments]
        limits: list[Limit] = []
        for group in groups:
            if len(group) != len(rule.parameters):
                raise self.error(f"{name} takes {len(rule.parameters)} names, not {len(group)}", node)
            operands: dict[str, str] = {}
            attributes: dict[str, str] = {}
            for parameter, argument in zip(rule.parameters, map(str, group), strict=True):
                if argument in self.formulas.names.operands:
                    operands[parameter] = argument
                elif argument in self.formulas.names.attributes:
                    attributes[parameter] = argument
                else:
                    raise self.error(f"{argument} is no operand or attribute", node)
            limits += applied(str(name), rule.limits, operands, attributes)
        return limits

    def _cost(self, node: Tree[Token]) -> CostRule:
        part, formula, *rest = node.children
        origin = next(c for c in rest if isinstance(c, Tree) and c.data in ("cited", "assumed"))
        assert isinstance(formula, Tree)
        return CostRule(
            expression=None if formula.data == "undocumented" else self.formulas.expression(formula),
            citation=string(origin.children[0]),
            part="" if part is None else str(part),
            condition=self._condition(rest),
            assumed=origin.data == "assumed",
        )
