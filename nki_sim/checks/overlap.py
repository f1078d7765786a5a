"""Tensors that the kernel placed at overlapping addresses and that destroy each other's values.

Addresses may be reused: nki-library's allocators hand the bytes of finished tensors to later ones, and a kernel may
write through one tensor and read through another on purpose. What is wrong is a *clobber*: bytes written through A,
overwritten through B, then read through A as if they still held A's value. That is decided per byte; a read of bytes
that A never wrote is a note.

Non-goals: accesses at offsets known only while running; they are left out rather than guessed.
"""

from __future__ import annotations

import numpy as np

from nki_sim.checks.describe import allocated_here, name_of, operand_text
from nki_sim.checks.findings import Findings
from nki_sim.checks.states import Place, alias_groups, group_places
from nki_sim.diagnostics.model import Diagnostic
from nki_sim.memory.accesses import FlatProgram
from nki_sim.memory.bytemap import ByteMap, Cells
from nki_sim.memory.regions import reach
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Item, Loop, TensorDecl

_PASSES = 2
_UNKNOWN = 0
_FACTS = (
    "tensors at overlapping addresses share bytes: address=(partition, byte offset) (nki.language.ndarray)",
    "addresses may be reused once the earlier tensor is no longer read",
)


def check_overlap(flat: FlatProgram) -> list[Diagnostic]:
    """Clobbered reads among kernel-placed tensors (errors), and reads of another tensor's bytes (notes)."""
    groups = alias_groups(flat.program.tensors)
    if not groups:
        return []
    analysis = _Analysis(flat, groups)
    analysis.body(flat.program.body, 0)
    return analysis.findings.diagnostics


class _Analysis:
    """Per byte: `shared` holds the last write of all, `own[tensor]` the last write through that tensor; 0 is none.

    A write is its index in `events` plus one.
    """

    def __init__(self, flat: FlatProgram, groups: list[list[TensorDecl]]) -> None:
        self.flat = flat
        self.findings = Findings()
        self.shared: dict[int, Place] = {}
        self.own: dict[int, ByteMap] = {}
        self.events: list[tuple[int, TensorDecl]] = [(-1, groups[0][0])]
        for members in groups:
            self.shared.update(group_places(members, _UNKNOWN))
            for tensor in members:
                self.own[tensor.index] = ByteMap(tensor.partitions, tensor.bytes_per_partition, _UNKNOWN)

    def body(self, items: list[Item], position: int) -> int:
        for item in items:
            if isinstance(item, Loop):
                start = position
                for _ in range(_PASSES):
                    position = self.body(item.body, start)
            else:
                self.step(position)
                position += 1
        return position

    def step(self, position: int) -> None:
        reads, writes = self.flat.accesses[position]
        for name, pattern, _ in reads:
            if pattern.tensor.index in self.own and not pattern.is_dynamic:
                self.read(position, name, pattern)
        for _, pattern in writes:
            if pattern.tensor.index in self.own:
                self.write(position, pattern)

    def write(self, position: int, pattern: AccessPattern) -> None:
        index = pattern.tensor.index
        cells, row, byte = self.shared[index]
        still = reach(pattern)
        event = _UNKNOWN
        if not pattern.is_dynamic:
            event = len(self.events)
            self.events.append((position, pattern.tensor))
        cells.view(still, row, byte)[...] = event
        self.own[index].view(still)[...] = event

    def read(self, position: int, name: str, pattern: AccessPattern) -> None:
        last, mine = self._aligned(pattern)
        differs = (last != mine) & (last != _UNKNOWN)
        if not differs.any():
            return
        clobbered = differs & (mine != _UNKNOWN)
        if clobbered.any():
            at = int(np.argmax(clobbered))
            self._clobber(position, name, pattern, int(last.flat[at]), int(mine.flat[at]))
            return
        self._shares(position, name, pattern, int(last.flat[int(np.argmax(differs))]))

    def _aligned(self, pattern: AccessPattern) -> tuple[Cells, Cells]:
        """(last write, last write through this tensor) of the pattern's bytes, on one grid."""
        index = pattern.tensor.index
        cells, row, byte = self.shared[index]
        own = self.own[index]
        while True:
            last, mine = cells.view(pattern, row, byte), own.view(pattern)
            if (cells.row_unit, cells.unit) == (own.row_unit, own.unit):
                return last, mine
            cells.refine(own.row_unit, own.unit)
            own.refine(cells.row_unit, cells.unit)

    def _clobber(self, position: int, name: str, pattern: AccessPattern, last: int, mine: int) -> None:
        program = self.flat.program
        instruction = self.flat.instructions[position]
        victim = pattern.tensor
        late, other = self.events[last]
        early, _ = self.events[mine]
        a, b = name_of(program, victim), name_of(program, other)
        related = [*allocated_here(program, victim), *allocated_here(program, other)]
        for where, text in (
            (early, f"{a} is written here"),
            (late, f"{b} overwrites it here"),
        ):
            spans = program.spans(self.flat.instructions[where].site)
            if spans:
                related.append((spans[0], f"{self.flat.instructions[where].op}: {text}"))
        self.findings.add(
            (instruction.site, position, victim.site, other.site),
            Diagnostic(
                code="overlap",
                message=(
                    f"{instruction.op}: {name} reads {a}, whose bytes {b} has overwritten: "
                    f"{_placed(victim)} and {_placed(other)} overlap"
                ),
                spans=program.spans(instruction.site),
                label=f"{name} is {operand_text(program, pattern)}",
                related=tuple(related),
                facts=_FACTS,
                fix=f"give {b} an address of its own, or read {a} before writing {b}",
            ),
        )

    def _shares(self, position: int, name: str, pattern: AccessPattern, last: int) -> None:
        program = self.flat.program
        instruction = self.flat.instructions[position]
        _, other = self.events[last]
        a, b = name_of(program, pattern.tensor), name_of(program, other)
        self.findings.add(
            (instruction.site, position, pattern.tensor.site, other.site),
            Diagnostic(
                code="overlap",
                severity="note",
                message=f"{instruction.op}: {name} reads bytes of {a} that were written through {b}",
                spans=program.spans(instruction.site),
                label=f"{name} is {operand_text(program, pattern)}",
                related=allocated_here(program, other),
                facts=_FACTS[:1],
                fix="nothing, if the two are meant to be the same bytes",
            ),
        )


def _placed(tensor: TensorDecl) -> str:
    """``partitions 0-127, bytes 0-2047``."""
    partition, byte = tensor.address or (0, 0)
    last_partition, last_byte = partition + tensor.partitions - 1, byte + tensor.bytes_per_partition - 1
    return f"partitions {partition}-{last_partition}, bytes {byte}-{last_byte}"
