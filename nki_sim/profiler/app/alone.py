"""One instruction by itself, with only the tensors it touches: what pricing it needs, whatever the size of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.timing.timeline import Timeline

Placement = Mapping[int, tuple[int, int]]


def alone(
    timeline: Timeline, instruction: Instruction, placement: Placement | None
) -> tuple[Timeline, Instruction, Placement | None]:
    """(timeline, instruction, placement) with tensors numbered anew; rows and works stay those of the run."""
    tensors: dict[int, TensorDecl] = {}

    def pattern(old: AccessPattern) -> AccessPattern:
        index = old.tensor.index
        if index not in tensors:
            tensors[index] = replace(old.tensor, index=len(tensors))
        dynamic, vector = old.dynamic, old.vector
        if dynamic is not None and isinstance(dynamic.source, AccessPattern):
            dynamic = DynamicOffset(pattern(dynamic.source), dynamic.multiplier, dynamic.limit)
        if vector is not None:
            vector = VectorOffset(pattern(vector.index), vector.multiplier, vector.limit)
        return AccessPattern(tensors[index], old.dtype, old.partition, old.offset, old.dims, dynamic, vector)

    operands = {
        name: pattern(value) if isinstance(value, AccessPattern) else value
        for name, value in instruction.operands.items()
    }
    made = Instruction(
        instruction.op, operands, instruction.attributes, instruction.engine, instruction.site, instruction.label
    )
    program = timeline.program
    small = Program(
        name=program.name,
        target=program.target,
        tensors=list(tensors.values()),
        registers=program.registers,
        body=[made],
        sites=program.sites,
    )
    places = None
    if placement is not None:
        places = {new.index: placement[old] for old, new in tensors.items() if old in placement}
    return replace(timeline, program=small), made, places
