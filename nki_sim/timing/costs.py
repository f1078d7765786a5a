"""Costs: what one instruction takes of its engine, in ns, from its `.isa` formula and the target's physical terms.

The formula gives the cycles an instruction streams; the target's sections add the issue term, the price of a
per-partition operand, the access to PSUM or SBUF, and the drain that a dependent instruction sees. The floor of the
formulas (MIN_II) and GpSimd's start-up (GPSIMD_START) are the issue term under other names, so they are taken out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from nki_sim.instructions.evaluate import Context, bind, cost, evaluate, holds
from nki_sim.instructions.roles import WRITTEN
from nki_sim.instructions.spec import FIRST_GENERATION, Expression, InstructionSpec, Tree
from nki_sim.instructions.table import SPECS
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction
from nki_sim.targets import Target
from nki_sim.timing.lanes import (
    BUS_PORT,
    COMPUTE,
    GPSIMD,
    LANE_OF,
    LANES,
    MATMUL,
    PSUM_PORT,
    REGISTER,
    SBUF_PORT,
    SCALAR,
    SYNC,
    TENSOR,
    TRANSFER,
    TRANSPOSE,
    VECTOR,
    WHOLE_ARRAY,
)
from nki_sim.timing.transfers import Transfer, transfer_of

# Attributes read below; those that the `.isa` formulas read are found in the formulas.
_PRICED = frozenset(
    {"op", "perf_mode", "is_transpose", "is_stationary_onezero", "is_moving_onezero", "dge_mode", "engine",
     "tile_position", "tile_size"}
)  # fmt: skip
_POINTERS = ("operand0", "operand1", "bias", "scale", "initial")
_ISSUE_TERMS = frozenset({"MIN_II", "GPSIMD_START"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The price of one instruction signature.

    kind            COMPUTE, MATMUL, TRANSPOSE, TRANSFER or REGISTER
    interval_ns     start to the earliest start of the next instruction (not for MATMUL and TRANSPOSE)
    drain_ns        from there until a dependent instruction may be signalled
    passes          MATMUL machine instructions, each with its own weight load
    cycles          streamed by each of them
    load_cycles     of each weight load
    table           function table of the Scalar Engine, 0 when any will do
    model_flops     arithmetic of a matmul; 0 for transposes and everything else
    columns         moving columns of a matmul or transpose
    cells           part of the array it uses, WHOLE_ARRAY or bits of it
    ports           shared ports it uses
    speedup         of a Vector mode that borrows GpSimd's bus, over the same without the mode
    stream_ns       the part of the interval that such a mode shortens
    formula         the `.isa` formula charged, with its citation
    """

    kind: int
    lane: int
    interval_ns: float = 0.0
    drain_ns: float = 0.0
    passes: int = 1
    cycles: float = 0.0
    load_cycles: float = 0.0
    table: int = 0
    model_flops: int = 0
    columns: int = 0
    cells: int = WHOLE_ARRAY
    ports: int = 0
    speedup: float = 1.0
    stream_ns: float = 0.0
    transfer: Transfer | None = None
    formula: str = ""
    citation: str = ""


class CostTable:
    """Prices by signature, for one target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._known: dict[tuple[Any, ...], Work] = {}
        self._attributes: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def work(self, instruction: Instruction) -> Work:
        """The price of `instruction`, computed once for all that differ only in addresses."""
        op = instruction.op
        names = self._attributes.get(op)
        if names is None:
            names = self._attributes[op] = _priced_attributes(SPECS[op])
        get = instruction.attributes.get
        key: list[Any] = [op, instruction.engine]
        key += [get(name) for name in names]
        for operand in instruction.operands.values():
            if type(operand) is AccessPattern:
                key += (operand.tensor.space, operand.dtype, operand.dims)
                partition = operand.partition
                if partition is not None:
                    key.append(partition[2])
                if operand.dynamic is not None or operand.vector is not None:
                    key += (operand.dynamic is None, operand.vector is None)
            else:
                key.append(type(operand))
        signature = tuple(key)
        found = self._known.get(signature)
        if found is None:
            found = self._known[signature] = price(instruction, self.target)
        return found


def _priced_attributes(spec: InstructionSpec) -> tuple[str, ...]:
    """The attributes that a price depends on."""
    read: set[str] = set(_PRICED)
    for rule in spec.costs:
        for formula in (rule.expression, rule.condition.when):
            read |= formula.names if formula is not None else frozenset()
    return tuple(attribute.name for attribute in spec.attributes if attribute.name in read)


def price(instruction: Instruction, target: Target) -> Work:
    """The price of one instruction on `target`."""
    op = instruction.op
    if op == "dma_copy":
        transfer = transfer_of(instruction, target)
        return Work(kind=TRANSFER, lane=transfer.lane, transfer=transfer, citation="target [dma]")
    lane = LANE_OF.get(instruction.engine, SYNC)
    if op.startswith("register_") or op == "device_print" or lane == SYNC:
        return Work(kind=REGISTER, lane=lane, interval_ns=target["sync.instruction_ns"], citation="target [sync]")
    if lane == TENSOR:
        return _tensor_work(instruction, target)
    return _stream_work(instruction, lane, target)


def _stream_work(instruction: Instruction, lane: int, target: Target) -> Work:
    """Vector, Scalar and GpSimd: issue + stream, then drain."""
    engine = LANES[lane]
    streamed = stream_cycles(instruction, target)
    operands = instruction.operands
    sources = [
        value
        for name, value in operands.items()
        if isinstance(value, AccessPattern)
        and name not in WRITTEN[instruction.op]
        and not _is_pointer(instruction, name)
    ]
    ports, speedup = _ports(instruction, lane, streamed, target)
    clock = target[f"{engine}.clock_ghz"]
    rate = min(clock, target["vector.clock_ghz"]) if streamed.borrowed else clock
    stream_ns = streamed.cycles / rate
    return Work(
        kind=COMPUTE,
        lane=lane,
        interval_ns=stream_ns + _issue_cycles(instruction, lane, sources, target) / clock,
        drain_ns=target[f"{engine}.drain_cycles"] / clock,
        table=_table(instruction, target) if lane == SCALAR else 0,
        ports=ports,
        speedup=speedup,
        stream_ns=stream_ns,
        formula=streamed.formula,
        citation=streamed.citation,
    )


def _ports(instruction: Instruction, lane: int, streamed: Streamed, target: Target) -> tuple[int, float]:
    """(ports, speedup) of a compute instruction."""
    tiles = [tile for tile in instruction.operands.values() if isinstance(tile, AccessPattern)]
    spaces = {tile.tensor.space for tile in tiles}
    if target["vector.exclusive_ports"]:
        ports = SBUF_PORT if "sbuf" in spaces and lane in (VECTOR, GPSIMD) else 0
        return ports | (PSUM_PORT if "psum" in spaces and lane in (VECTOR, SCALAR) else 0), 1.0
    if lane == GPSIMD:
        return BUS_PORT, 1.0
    return (BUS_PORT, streamed.speedup) if lane == VECTOR and streamed.speedup > 1.0 else (0, 1.0)


def _issue_cycles(instruction: Instruction, lane: int, sources: list[AccessPattern], target: Target) -> float:
    engine = LANES[lane]
    cycles = target[f"{engine}.issue_cycles"]
    activates = lane == SCALAR and instruction.op.startswith("activation")
    if activates or any(_is_pointer(instruction, name) for name in instruction.operands):
        # An activation without a bias is given a vector of zeros.
        cycles += target[f"{engine}.pointer_cycles"]
        if lane == SCALAR and sources and _all_sbuf(*sources):
            # Seen with a bias pointer only; a plain copy from SBUF has not been measured.
            cycles += target["scalar.sbuf_source_cycles"]
    if lane == VECTOR and any(s.tensor.space == "psum" for s in sources):
        cycles += target["vector.psum_source_cycles"]
    return cycles


def _is_pointer(instruction: Instruction, name: str) -> bool:
    """Whether the operand is one value per partition read beside the data."""
    if name not in _POINTERS or not isinstance(instruction.operands.get(name), AccessPattern):
        return False
    return not (name == "operand1" and instruction.op == "scalar_tensor_tensor")


def _all_sbuf(*patterns: Any) -> bool:
    return all(isinstance(p, AccessPattern) and p.tensor.space == "sbuf" for p in patterns)


def _table(instruction: Instruction, target: Target) -> int:
    """The function table an activation needs; each function the target does not list has one of its own."""
    op = instruction.attributes.get("op")
    if not instruction.op.startswith("activation") or not isinstance(op, str):
        return 0
    tables = target.numbers["activation_tables"]
    return int(tables[op].value) if op in tables else 1000 + sum(map(ord, op))


def _tensor_work(instruction: Instruction, target: Target) -> Work:
    operands, attributes = instruction.operands, instruction.attributes
    dst = operands["dst"]
    assert isinstance(dst, AccessPattern)
    if instruction.op == "nc_transpose":
        assert isinstance(operands["data"], AccessPattern)
        moving = stationary = operands["data"]
        # The data are the weights; the identity that streams past has as many columns as the data have partitions.
        columns, weights, transpose = moving.shape[0], moving.free_elements, True
    else:
        assert isinstance(operands["moving"], AccessPattern) and isinstance(operands["stationary"], AccessPattern)
        moving, stationary = operands["moving"], operands["stationary"]
        rows = 2 if attributes.get("perf_mode") in ("double_row", "double_row_gen3") else 1
        columns, weights = moving.free_elements // rows, stationary.free_elements // rows
        transpose = bool(attributes.get("is_transpose"))
    documented = cost(SPECS[instruction.op], instruction, target)
    passes, load = 1, weights / target["tensor.fast_load_ratio"]
    if moving.dtype == "float32" or stationary.dtype == "float32":
        # Four passes over the columns are two MATMULs of two passes each, as the profiles show.
        passes = 2 if documented.cycles >= 4 * columns else 1
        load = weights * target["tensor.load_cycles_fp32_transpose" if transpose else "tensor.load_cycles_fp32"]
    return Work(
        kind=TRANSPOSE if transpose else MATMUL,
        lane=TENSOR,
        passes=passes,
        cycles=documented.cycles / passes,
        load_cycles=load,
        model_flops=0 if transpose else 2 * moving.elements * dst.shape[0],
        columns=columns,
        cells=_cells(attributes.get("tile_position"), attributes.get("tile_size")),
        formula=documented.formula,
        citation=documented.citation,
    )


def _cells(position: Any, size: Any) -> int:
    """Cells of 32 x 32 processing elements of a tile of the array."""
    if not position or not size:
        return WHOLE_ARRAY
    rows = range(position[0] // 32, -(-(position[0] + size[0]) // 32))
    columns = range(position[1] // 32, -(-(position[1] + size[1]) // 32))
    return sum(1 << 4 * row + column for row in rows for column in columns)


@dataclass(frozen=True, slots=True)
class Streamed:
    """What the `.isa` cost of an instruction says, without its issue term.

    speedup     of a mode that newer generations have, over the slowest formula without it; 1 where none is used
    borrowed    by GpSimd from Vector: no document gives its rate for what both can do, assumed no faster than Vector's
    """

    cycles: float
    formula: str
    citation: str
    speedup: float = 1.0
    borrowed: bool = False


def stream_cycles(instruction: Instruction, target: Target) -> Streamed:
    """The first `.isa` cost that applies; one element per cycle where there is none."""
    spec = SPECS[instruction.op]
    context = Context(
        dims=bind(spec, instruction.operands, instruction.attributes, target),
        operands=instruction.operands,
        attributes=instruction.attributes,
        target=target,
        engine=instruction.engine,
    )
    found: Streamed | None = None
    plain = 0.0
    for rule in spec.costs:
        is_mode = rule.condition.since > FIRST_GENERATION
        if rule.part or (is_mode and found is not None) or not holds(rule.condition, context):
            continue
        cycles = _value(rule.expression, context)
        if cycles is None:
            break
        if found is None:
            formula = rule.expression.text if rule.expression else ""
            found = Streamed(cycles, formula, rule.citation)
            if instruction.engine == "gpsimd" and rule.condition.on is None and _on_vector(spec):
                found = replace(found, citation=f"{rule.citation}; assumed for GpSimd", borrowed=True)
            if not is_mode:
                return found
        plain = max(plain, cycles)
    if found is None:
        return Streamed(float(_most_elements(spec, instruction)), "", "assumed: one element per cycle")
    return replace(found, speedup=max(1.0, plain / max(1.0, found.cycles)))


def _on_vector(spec: InstructionSpec) -> bool:
    return any(rule.engine == "vector" for rule in spec.engines)


def _value(expression: Expression | None, context: Context) -> float | None:
    value = evaluate(_without_issue(expression), context) if expression is not None else None
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _most_elements(spec: InstructionSpec, instruction: Instruction) -> int:
    tiles = [v for v in instruction.operands.values() if isinstance(v, AccessPattern)]
    return max((tile.free_elements for tile in tiles), default=1)


@lru_cache(maxsize=1024)
def _without_issue(expression: Expression) -> Expression:
    return Expression(text=expression.text, tree=_strip(expression.tree))


def _strip(tree: Tree) -> Tree:
    """The formula with its issue term taken out of every max() and sum."""
    parts = tuple(
        _strip(part) if isinstance(part, tuple) and part and isinstance(part[0], str) else part for part in tree
    )
    head = 2 if parts[:2] == ("call", "max") else 1 if parts[0] == "+" else 0
    if head:
        kept = tuple(p for p in parts[head:] if not (p[0] == "constant" and p[1] in _ISSUE_TERMS))
        return kept[0] if len(kept) == 1 else (*parts[:head], *kept)
    return parts
