"""What-ifs on arithmetic: matmul operands in bfloat16, and instructions of a busy engine given to another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from nki_sim.instructions.table import SPECS
from nki_sim.instructions.validate import check_cached
from nki_sim.profiler.body import Body
from nki_sim.profiler.floors import EVERYTHING
from nki_sim.profiler.lines import lines_of
from nki_sim.profiler.naming import allocations_of, join_names, spans_of, tile_name
from nki_sim.profiler.rewrite import Moved, changed, rebuild, redirections
from nki_sim.profiler.whatif import Change, Subject
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import bfloat16, float32
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.timing.lanes import GPSIMD, LANES, SCALAR, TRIGGER, VECTOR
from nki_sim.timing.timeline import Timeline, busy_ns

TILES, INPUTS = "bfloat16 tiles", "bfloat16 inputs"
_BUSY_ENOUGH = 0.25
_ENGINE_LINES = 4
# Their result is the operand's own bits or type.
_SAME_TYPE = frozenset({"nc_transpose", "nc_stream_shuffle"})


# -- bfloat16 --------------------------------------------------------------------------------------------------------


def bfloat16_operands(subject: Subject) -> Iterator[Change]:
    """float32 matmul operands held in bfloat16: as a cast on the way into SBUF, and with inputs that are so already."""
    timeline, program = subject.timeline, subject.program
    matmuls = [one for one in timeline.instructions if one.op == "nc_matmul" and _has_float32(one)]
    if not matmuls:
        yield from _cast_inputs(subject)
        return
    tiles = _closure(timeline.instructions, matmuls)
    if not tiles:
        return
    sites = allocations_of(program, tiles.values())
    names = _names(program, [tile for tile in tiles.values() if tile.space == "sbuf"])
    yield Change(
        code="bfloat16",
        choice=TILES,
        title=f"hold {names} in bfloat16",
        lines=sites,
        how="allocate the tiles that nc_matmul reads with dtype=nl.bfloat16; whoever fills them casts. Products are "
        "still summed in float32; the operands keep 8 bits of mantissa",
        replay=f"{len(tiles):,} tiles retyped, {len(matmuls):,} matmuls take bfloat16",
        eases=EVERYTHING,
        build=partial(_retyped, subject.body, set(tiles)),
    )
    inputs = _inputs_of(timeline.instructions, set(tiles), program)
    if inputs:
        named = join_names(tile_name(program, one) for one in inputs)
        yield Change(
            code="bfloat16",
            choice=INPUTS,
            title=f"take {named} in bfloat16",
            lines=sites,
            how=f"pass {named} as bfloat16 arrays and allocate the tiles with their dtype: half the bytes to move, too",
            replay=f"{named} and {len(tiles):,} tiles retyped, {len(matmuls):,} matmuls take bfloat16",
            eases=EVERYTHING,
            build=partial(_retyped, subject.body, set(tiles) | {one.index for one in inputs}),
        )


def _cast_inputs(subject: Subject) -> Iterator[Change]:
    """float32 inputs that the DMA casts to bfloat16 on every load, passed in as bfloat16."""
    timeline, program = subject.timeline, subject.program
    tiles: dict[int, TensorDecl] = {}
    for instruction in timeline.instructions:
        dst, src = instruction.operands.get("dst"), instruction.operands.get("src")
        if instruction.op != "dma_copy" or not isinstance(dst, AccessPattern) or not isinstance(src, AccessPattern):
            continue
        if dst.on_chip and dst.dtype is bfloat16 and src.dtype is float32:
            tiles[dst.tensor.index] = dst.tensor
    inputs = _inputs_of(timeline.instructions, set(tiles), program)
    if inputs:
        named = join_names(tile_name(program, one) for one in inputs)
        yield Change(
            code="bfloat16",
            choice=INPUTS,
            title=f"take {named} in bfloat16",
            lines=allocations_of(program, tiles.values()),
            how=f"pass {named} as bfloat16 arrays: the tiles are bfloat16 already; the DMA has half the bytes to read "
            "and nothing to cast",
            replay=f"{named} retyped",
            eases=EVERYTHING,
            build=partial(_retyped, subject.body, {one.index for one in inputs}),
        )


def _has_float32(instruction: Instruction) -> bool:
    if instruction.attributes.get("is_transpose"):
        return False
    sides = (instruction.operands["stationary"], instruction.operands["moving"])
    return all(isinstance(one, AccessPattern) and one.dtype is float32 for one in sides)


def _patterns(instruction: Instruction) -> list[AccessPattern]:
    return [one for one in instruction.operands.values() if isinstance(one, AccessPattern)]


def _closure(instructions: Sequence[Instruction], matmuls: Sequence[Instruction]) -> dict[int, TensorDecl]:
    """The operand tiles, and all that must have their type; empty when one of them cannot change it."""
    found = {one.tensor.index: one.tensor for m in matmuls for one in _patterns(m) if one.tensor.space == "sbuf"}
    while True:
        grown = dict(found)
        for instruction in instructions:
            tied = instruction.op in _SAME_TYPE or bool(instruction.attributes.get("is_transpose"))
            patterns = _patterns(instruction)
            if not any(one.tensor.index in grown for one in patterns):
                continue
            if any(one.tensor.index in grown and one.dtype is not one.tensor.dtype for one in patterns):
                return {}
            if tied:
                if any(one.tensor.space == "hbm" for one in patterns):
                    return {}
                grown |= {one.tensor.index: one.tensor for one in patterns if one.dtype is float32}
        if len(grown) == len(found):
            return found if all(one.dtype is float32 for one in found.values()) else {}
        found = grown


def _inputs_of(instructions: Sequence[Instruction], tiles: set[int], program: Program) -> list[TensorDecl]:
    """float32 inputs that go nowhere but into these tiles."""
    feeds: dict[int, bool] = {}
    for instruction in instructions:
        patterns = _patterns(instruction)
        goes = instruction.op == "dma_copy" and any(one.tensor.index in tiles for one in patterns)
        for one in patterns:
            if one.tensor.space == "hbm":
                feeds[one.tensor.index] = feeds.get(one.tensor.index, True) and goes and one.dtype is float32
    return [one for one in program.inputs if not one.written and one.dtype is float32 and feeds.get(one.index, False)]


def _retyped(body: Body, chosen: set[int]) -> Program:
    program = body.program
    tensors = [replace(one, dtype=bfloat16) if one.index in chosen else one for one in program.tensors]
    moved: dict[int, Moved] = {index: (tensors[index], 0) for index in chosen}
    positions = {position for index in chosen for position in body.touching.get(index, ())}
    made = rebuild(program, redirections(body.instructions, positions, moved), tensors)
    return replace(made, inputs=[tensors[one.index] for one in program.inputs])


def _names(program: Program, tiles: Sequence[TensorDecl]) -> str:
    names = list(dict.fromkeys(tile_name(program, one) for one in tiles))
    return join_names(names) if len(names) <= 3 else f"the {len(tiles)} operand tiles"


# -- another engine --------------------------------------------------------------------------------------------------


def other_engines(subject: Subject) -> Iterator[Change]:
    """The lines of a busy engine that take longest, moved to another engine whole or every second time."""
    timeline, program = subject.timeline, subject.program
    lines = _movable_lines(timeline)
    longest = sorted(lines, key=lambda key: -sum(lines[key].values()))[:_ENGINE_LINES]
    for key in longest:
        _, op, engine = key
        positions = sorted(lines[key])
        for other in ("vector", "scalar", "gpsimd"):
            if other == engine or not all(_legal(timeline, position, other) for position in positions):
                continue
            for part, chosen in (("", positions), ("every second ", positions[1::2])):
                if not chosen:
                    continue
                yield Change(
                    code="engine",
                    choice=f"engine {key}",
                    title=f"let {other} do {part}{op}",
                    lines=spans_of(program, [timeline.instructions[positions[0]].site]),
                    how=f"pass engine=nisa.engine.{other}" + (" in every second pass" if part else ""),
                    replay=f"{len(chosen):,} of {len(positions):,} instructions moved from {engine} to {other}",
                    eases=frozenset({engine}),
                    build=partial(_given_to, subject.body, chosen, other),
                    in_place=True,
                )


def _movable_lines(timeline: Timeline) -> dict[tuple[int, str, str], dict[int, float]]:
    """(line, op, engine) -> time by static instruction, where the engine is busy and the instruction has a choice."""
    rows = timeline.rows
    line_of, _ = lines_of(timeline)
    found: dict[tuple[int, str, str], dict[int, float]] = {}
    for lane in (VECTOR, SCALAR, GPSIMD):
        own = rows[(rows["lane"] == lane) & (rows["kind"] != TRIGGER)]
        if busy_ns(own) < _BUSY_ENOUGH * timeline.total_ns:
            continue
        took = np.bincount(own["instruction"], own["issue_end_ns"] - own["start_ns"])
        for number in np.flatnonzero(took).tolist():
            one = timeline.instructions[number]
            if "engine" in one.attributes:
                key = (int(line_of[number]), one.op, LANES[lane])
                found.setdefault(key, {})[number] = float(took[number])
    return found


def _given_to(body: Body, positions: Sequence[int], engine: str) -> Program:
    edits = {one: (changed(body.instructions[one], engine=engine, attributes={"engine": engine}),) for one in positions}
    return rebuild(body.program, edits)


def _legal(timeline: Timeline, position: int, engine: str) -> bool:
    """Whether the instruction set lets `engine` execute the instruction."""
    one = timeline.instructions[position]
    found = check_cached(SPECS[one.op], one.operands, {**one.attributes, "engine": engine}, timeline.target)
    return found.engine == engine and not any(v.severity == "error" for v in found.violations)
