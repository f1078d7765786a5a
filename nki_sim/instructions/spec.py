"""InstructionSpec and its parts: what an instruction accepts and what it costs, as plain frozen data.

`nki_sim.instructions.table.SPECS` holds one InstructionSpec per name, generated from the `.isa` files. `validate`
checks operands against it, `evaluate` computes its limits and costs. Generations are 2, 3 and 4 (gen2, gen3, gen4).

Non-goals: semantics (the families' reference.py and lowering.py) and physical overheads (the targets' TOML).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Direction = Literal["in", "out", "inout"]
Severity = Literal["error", "warning", "note"]
Tree = tuple[Any, ...]
FIRST_GENERATION = 2
LAST_GENERATION = 4


class _Required:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A formula of an `.isa` file: its text, for people, and its tree, for `evaluate`.

    tree    nested tuples: ("dim", "M"), ("number", 64), ("call", "itemsize", ("operand", "dst")), ("<=", left, right)
    """

    text: str
    tree: Tree

    @cached_property
    def names(self) -> frozenset[str]:
        """Dimension letters, operands and attributes that the formula reads."""
        return frozenset(_names(self.tree))

    @cached_property
    def _hash(self) -> int:
        return hash(self.tree)

    def __hash__(self) -> int:
        return self._hash


def _names(tree: Tree) -> list[str]:
    if tree[0] in ("dim", "operand", "attribute"):
        return [tree[1]]
    return [name for part in tree[1:] if isinstance(part, tuple) for name in _names(part)]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """When a line holds: generations `since` to `until` inclusive, `on` an engine, `when` a formula is true."""

    since: int = FIRST_GENERATION
    until: int = LAST_GENERATION
    on: str | None = None
    when: Expression | None = None

    def covers(self, generation: int) -> bool:
        return self.since <= generation <= self.until


ALWAYS = Condition()


@dataclass(frozen=True, kw_only=True)
class ShapeSpec:
    """One accepted shape: letters and numbers; the first entry is the partition dimension of an on-chip tile.

    spread  the last letter stands for the product of all remaining dimensions ("F..."); otherwise it is one dimension,
            and dimensions of length 1 do not count
    """

    dims: tuple[str | int, ...]
    spread: bool = False
    condition: Condition = ALWAYS

    def __str__(self) -> str:
        return "[" + ", ".join(map(str, self.dims)) + ("...]" if self.spread else "]")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One accepted name (a dtype, memory space, engine or operand kind), and when it is accepted."""

    name: str
    condition: Condition = ALWAYS


@dataclass(frozen=True, kw_only=True)
class OperandSpec:
    """A tile, scalar or register that an instruction reads or writes.

    shapes  accepted shapes, conditional ones first; empty when no tile is accepted
    dtypes  accepted types of a tile
    spaces  "sbuf", "psum", "hbm": where a tile may live
    kinds   what may stand here besides a tile: "scalar" (number), "integer", "register", "none"
    default REQUIRED, None or a number
    """

    name: str
    direction: Direction
    shapes: tuple[ShapeSpec, ...] = ()
    dtypes: tuple[Choice, ...] = ()
    spaces: tuple[Choice, ...] = ()
    kinds: tuple[Choice, ...] = ()
    default: Any = REQUIRED
    description: str = ""

    @property
    def takes_tile(self) -> bool:
        return bool(self.shapes)

    @property
    def optional(self) -> bool:
        return self.default is not REQUIRED

    @property
    def is_output(self) -> bool:
        return self.direction != "in"


@dataclass(frozen=True, kw_only=True)
class AttributeSpec:
    """A parameter that is not an operand.

    kind        "operator", "bool", "int", "number", "enum", "pattern", "axes", "pair", "mask" or "text"
    choices     accepted names of an "operator" or "enum"
    sets        names of the operator sets that make up `choices`, for people
    enum        class in nki_sim.isa.constants that holds the choices of an "enum"
    low, high   bounds of an "int", inclusive
    none        None is accepted
    """

    name: str
    kind: str
    choices: tuple[Choice, ...] = ()
    sets: tuple[str, ...] = ()
    enum: str | None = None
    low: int | None = None
    high: int | None = None
    none: bool = False
    default: Any = REQUIRED
    description: str = ""
    condition: Condition = ALWAYS

    @property
    def optional(self) -> bool:
        return self.default is not REQUIRED


@dataclass(frozen=True, kw_only=True)
class EngineRule:
    """An engine that may execute the instruction, or (in `defaults`) the one that does when the kernel does not say."""

    engine: str
    condition: Condition = ALWAYS
    citation: str = ""
    fact: str = ""
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A formula that must hold.

    code        of the Violation: "shape", "dtype", "placement", "partition", "operator" or "attribute"
    blame       operand or attribute to point at; "" to take the first input that binds a letter of the formula
    message     template of the second half of the sentence, or "" for the standard one ("M may be at most 128 on trn2")
    fact, fix   templates too; see `validate`
    rule        name of the shared rule it was written in, if any
    """

    expression: Expression
    code: str
    citation: str
    condition: Condition = ALWAYS
    severity: Severity = "error"
    blame: str = ""
    message: str = ""
    fact: str = ""
    fix: str = ""
    rule: str = ""


@dataclass(frozen=True, kw_only=True)
class CostRule:
    """A cost in cycles of the executing engine; the first rule of a part whose condition holds counts.

    part            "" for the instruction itself, otherwise a named part (nc_matmul: "weight_load")
    expression      None when the documents give no formula
    assumed         the formula is ours, not the documents'; `citation` then says why
    """

    expression: Expression | None
    citation: str
    part: str = ""
    condition: Condition = ALWAYS
    assumed: bool = False


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of the public function. `default` is REQUIRED when there is none."""

    name: str
    is_operand: bool
    default: Any


@dataclass(frozen=True, kw_only=True)
class InstructionSpec:
    """One instruction.

    order       names of operands and attributes in the order of the NKI signature
    reach       memory spaces each engine can address
    has_engine  the parameter `engine` names who executes it (dma_copy's names who makes descriptors)
    has_name    the public function takes `name=`
    """

    name: str
    family: str
    summary: str
    description: str
    operands: tuple[OperandSpec, ...]
    attributes: tuple[AttributeSpec, ...]
    order: tuple[str, ...]
    engines: tuple[EngineRule, ...]
    defaults: tuple[EngineRule, ...]
    limits: tuple[Limit, ...]
    costs: tuple[CostRule, ...]
    citations: tuple[str, ...]
    non_goals: tuple[str, ...] = ()
    has_engine: bool = False
    has_name: bool = True
    reach: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False, compare=False)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the operands written ("out" and "inout")."""
        return tuple(o.name for o in self.operands if o.direction != "in")

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the operands read ("in" and "inout")."""
        return tuple(o.name for o in self.operands if o.direction != "out")

    @cached_property
    def binding_order(self) -> tuple[OperandSpec, ...]:
        """Operands in the order in which they give dimension letters their value: inputs first."""
        return (*(o for o in self.operands if o.direction == "in"), *(o for o in self.operands if o.direction != "in"))

    @cached_property
    def operand(self) -> dict[str, OperandSpec]:
        """Operands by name."""
        return {o.name: o for o in self.operands}

    @cached_property
    def attribute(self) -> dict[str, AttributeSpec]:
        """Attributes by name."""
        return {a.name: a for a in self.attributes}

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The NKI signature without `name`: parameters in order with their defaults."""
        out = []
        for name in self.order:
            one: OperandSpec | AttributeSpec = self.operand[name] if name in self.operand else self.attribute[name]
            out.append(Parameter(name=name, is_operand=name in self.operand, default=one.default))
        return tuple(out)

    @cached_property
    def enums(self) -> dict[str, str]:
        """Enum class name by attribute, for the attributes that are one."""
        return {a.name: a.enum for a in self.attributes if a.enum is not None}
