"""Undefined bytes, followed from their allocation to where they do harm.

As a memory sanitizer does: every byte of every tensor is defined or carries the *origin* of its undefinedness, a chain
of instructions back to the allocation nobody wrote. Copying undefined bytes about is legal and common (half-filled
tiles), so a read alone is a note; reaching an output, a register, an offset or a predicate is an error.

Choices, all on the side of never refusing a legal kernel: a store at an offset known only while running writes every
place it may reach; a load from one is undefined only where all places are; loops run at least once. A loop body is
followed twice, so that what one pass leaves undefined meets the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nki_sim.checks.describe import allocated_here, first_index, name_of, operand_text
from nki_sim.checks.findings import Findings
from nki_sim.checks.propagate import LANES, Origins, propagate
from nki_sim.checks.states import Place, alias_groups, group_places, known_registers
from nki_sim.diagnostics.model import Diagnostic
from nki_sim.memory.accesses import FlatProgram, Read, register_written, registers_read
from nki_sim.memory.bytemap import ByteMap
from nki_sim.memory.regions import reach
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Item, Loop, Register, TensorDecl
from nki_sim.program.spans import SourceSpan

NEVER_WRITTEN = 1
"""The origin of bytes no instruction has written; larger numbers are entries of `Origin` chains."""

_MATMULS = frozenset({"nc_matmul", "nc_matmul_mx"})
_PASSES = 2
_LONGEST_PATH = 6
_FACT = "nl.ndarray leaves its memory undefined until it is written (nki-language-guide.rst)"


@dataclass(frozen=True, slots=True)
class Origin:
    """One step of undefined bytes: instruction `position` read them from `source` through operand `operand`.

    before   the step before, or NEVER_WRITTEN when `source` itself was never written there
    """

    position: int
    operand: str
    source: TensorDecl
    before: int


@dataclass(eq=False, kw_only=True)
class Definedness:
    """What the analysis found.

    places   tensor index -> where its bytes' origins are, as they are when the kernel ends
    doubt    some byte counts as defined by a choice above: only a run can tell
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    places: dict[int, Place] = field(default_factory=dict)
    doubt: bool = False


def analyse_definedness(flat: FlatProgram, *, separate: bool = False) -> Definedness:
    """Follow undefined bytes through the program. With `separate`, tensors at one address do not share bytes."""
    analysis = _Analysis(flat, separate)
    analysis.body(flat.program.body, 0)
    analysis.outputs()
    analysis.result.diagnostics = analysis.found()
    return analysis.result


class _Analysis:
    def __init__(self, flat: FlatProgram, separate: bool) -> None:
        self.flat = flat
        self.program = flat.program
        self.result = Definedness()
        self.places = self.result.places
        self.ranges = known_registers(flat)
        self.origins: list[Origin] = []
        self.numbers: dict[Origin, int] = {}
        self.registers: set[Register] = set()
        self.lanes: Origins | None = None
        self.maybe = 0
        self.errors = Findings()
        # By the allocation they come from: where an error names it, its notes say nothing new.
        self.notes: dict[tuple[int, int], Findings] = {}
        self.blamed: set[tuple[int, int]] = set()
        for tensor in self.program.tensors:
            defined = tensor.role in ("input", "constant")
            fill = 0 if defined else NEVER_WRITTEN
            self.places[tensor.index] = (ByteMap(tensor.partitions, tensor.bytes_per_partition, fill), 0, 0)
        if not separate:
            for members in alias_groups(self.program.tensors):
                self.places.update(group_places(members, NEVER_WRITTEN))

    # -- walking -----------------------------------------------------------------------------------------------------

    def body(self, items: list[Item], position: int) -> int:
        """Follow a region that starts at flat `position`; returns the position after it."""
        for item in items:
            if isinstance(item, Loop):
                self.loop_registers(item)
                start = position
                uncertain = not _surely_runs(item)
                self.maybe += uncertain
                for _ in range(_PASSES):
                    position = self.body(item.body, start)
                    self.use_register(item.condition, item.site, "the condition of a loop")
                self.maybe -= uncertain
            else:
                self.step(position, item)
                position += 1
        return position

    def loop_registers(self, loop: Loop) -> None:
        for value in (loop.start, loop.stop, loop.condition):
            if isinstance(value, Register):
                self.use_register(value, loop.site, "a bound of a loop")
        if loop.register is not None:
            self.registers.add(loop.register)

    def step(self, position: int, instruction: Instruction) -> None:
        reads, writes = self.flat.accesses[position]
        for register in registers_read(instruction):
            self.use_register(register, instruction.site, instruction.op)
        dirty: list[Read] = []
        for read in reads:
            pattern = read[1]
            cells, row, byte = self.places[pattern.tensor.index]
            if cells.nonzero and cells.view(self.still(pattern), row, byte).any():
                dirty.append(read)
        if dirty or (self.lanes is not None and instruction.op.startswith("activation")):
            self.undefined_step(position, instruction, dirty)
            return
        for _, pattern in writes:
            cells, row, byte = self.places[pattern.tensor.index]
            if cells.nonzero:
                still = self.still(pattern)
                self.doubt_write(instruction, pattern, bool(cells.view(still, row, byte).any()))
                cells.fill(still, 0, row, byte)
        written = register_written(instruction)
        if written is not None:
            self.registers.add(written)

    def doubt_write(self, instruction: Instruction, pattern: AccessPattern, undefined: bool) -> None:
        """Note that bytes `undefined` so far count as written by an instruction that may not write them all."""
        if undefined and (self.maybe or self.unknown(pattern) or instruction.attributes.get("oob_mode") == "skip"):
            self.result.doubt = True

    def unknown(self, pattern: AccessPattern) -> bool:
        """Whether the pattern's place is known only while running, not by a loop counter's values."""
        dynamic = pattern.dynamic
        return pattern.vector is not None or (dynamic is not None and dynamic.source not in self.ranges)

    def still(self, pattern: AccessPattern) -> AccessPattern:
        return reach(pattern, self.ranges) if pattern.is_dynamic else pattern

    def undefined_step(self, position: int, instruction: Instruction, dirty: list[Read]) -> None:
        """An instruction that reads undefined bytes: judge the use, then let them travel."""
        inputs: dict[str, Origins] = {}
        for name, pattern, kind in dirty:
            origins = self.load(pattern)
            if kind == "kept" and instruction.op in _MATMULS:
                # Adding to PSUM that nobody wrote is the finding of `accumulation`.
                origins = np.where(origins == NEVER_WRITTEN, 0, origins)
            if not origins.any():
                continue
            self.judge(position, instruction, (name, pattern, kind), origins)
            if kind in ("data", "kept"):
                inputs[name] = self.extend(origins, position, name, pattern.tensor)
        if self.lanes is not None and instruction.op.startswith("activation"):
            dst = instruction.operands["dst"]
            assert isinstance(dst, AccessPattern)
            inputs[LANES] = self.lanes[: dst.shape[0]]
        outputs = propagate(instruction, inputs)
        if instruction.op == "tensor_copy_predicated" and inputs:
            self.result.doubt = True
        for name, pattern in self.flat.accesses[position][1]:
            cells, row, byte = self.places[pattern.tensor.index]
            self.doubt_write(
                instruction, pattern, bool(cells.nonzero and cells.view(self.still(pattern), row, byte).any())
            )
            self.store(pattern, outputs.get(name))
        if LANES in outputs:
            rows = outputs[LANES]
            lanes = np.zeros((128, 1), dtype=np.int32) if self.lanes is None else self.lanes
            lanes[: len(rows)] = rows
            self.lanes = lanes if lanes.any() else None
        written = register_written(instruction)
        if written is not None:
            self.registers.add(written)

    # -- bytes -------------------------------------------------------------------------------------------------------

    def load(self, pattern: AccessPattern) -> Origins:
        """Origins element by element, in the pattern's shape."""
        cells, row, byte = self.places[pattern.tensor.index]
        still = self.still(pattern)
        found: Origins = cells.elements(still, row, byte).max(axis=-1)
        if pattern.is_dynamic:
            lead = 0 if still.partition is None else 1
            if still.dims[0][1] == 0:
                return np.zeros(pattern.shape, dtype=np.int32)
            if found.any():
                self.result.doubt = True
            found = found.min(axis=lead)
            if pattern.vector is not None:
                found = np.broadcast_to(found[None], pattern.shape)
        return found

    def store(self, pattern: AccessPattern, origins: Origins | None) -> None:
        cells, row, byte = self.places[pattern.tensor.index]
        still = self.still(pattern)
        if origins is None or not origins.any():
            if cells.nonzero:
                cells.fill(still, 0, row, byte)
            return
        view = cells.elements(still, row, byte)
        if pattern.is_dynamic:
            # Which place takes the bytes is not known: those undefined before now have a better-known cause.
            view[view != 0] = origins.max()
        else:
            view[...] = origins.reshape(pattern.shape)[..., None]
        cells.recount()

    def extend(self, origins: Origins, position: int, operand: str, source: TensorDecl) -> Origins:
        """The same elements with this instruction as the latest step of their chains."""
        old, inverse = np.unique(origins, return_inverse=True)
        new = [0 if number == 0 else self.number(Origin(position, operand, source, int(number))) for number in old]
        return np.array(new, dtype=np.int32)[inverse].reshape(origins.shape)

    def number(self, origin: Origin) -> int:
        found = self.numbers.get(origin)
        if found is None:
            found = self.numbers[origin] = len(self.origins) + NEVER_WRITTEN + 1
            self.origins.append(origin)
        return found

    def chain(self, number: int) -> list[Origin]:
        """The steps from `number` back to the allocation, latest first; steps that a loop repeats once."""
        steps: list[Origin] = []
        while number > NEVER_WRITTEN:
            step = self.origins[number - NEVER_WRITTEN - 1]
            if not any(step.position == seen.position and step.operand == seen.operand for seen in steps):
                steps.append(step)
            number = step.before
        return steps

    def blame(self, root: TensorDecl) -> tuple[int, int]:
        """One identity for all tensors of one source line."""
        return (root.site, -1) if root.site >= 0 else (-1, root.index)

    # -- findings ----------------------------------------------------------------------------------------------------

    def found(self) -> list[Diagnostic]:
        notes = [
            finding for root, notes in self.notes.items() if root not in self.blamed for finding in notes.diagnostics
        ]
        return [*self.errors.diagnostics, *notes]

    def judge(self, position: int, instruction: Instruction, read: Read, origins: Origins) -> None:
        name, pattern, kind = read
        if instruction.op == "register_load":
            use = "a register"
        elif kind == "index":
            use = "an address"
        elif kind == "predicate":
            use = "a predicate"
        else:
            if kind == "data":
                self.report("note", "are read", position, name, pattern, origins)
            return
        self.report("error", f"become {use}", position, name, pattern, origins)

    def report(
        self, severity: str, what: str, position: int, name: str, pattern: AccessPattern, origins: Origins
    ) -> None:
        instruction = self.flat.instructions[position]
        bad = origins != 0
        count, total = int(np.count_nonzero(bad)), bad.size
        number = int(origins[bad][0])
        steps = self.chain(number)
        root = steps[-1].source if steps else pattern.tensor
        message = (
            f"{instruction.op}: undefined bytes {what}: {name} has {count} undefined of {total} elements, the first at "
            f"{first_index(bad)}"
        )
        if root is not pattern.tensor:
            message += f"; they come from {name_of(self.program, root)}"
        blame = self.blame(root)
        findings = self.errors
        if severity == "note":
            findings = self.notes.setdefault(blame, Findings())
        else:
            self.blamed.add(blame)
        findings.add(
            (instruction.site, position, name),
            Diagnostic(
                code="uninitialised",
                severity="note" if severity == "note" else "error",
                message=message,
                spans=self.program.spans(instruction.site),
                label=f"{name} is {operand_text(self.program, pattern)}",
                related=(*allocated_here(self.program, root), *self.path(steps)),
                facts=(_FACT,),
                fix=f"{self.fill(root)}, or read only what was written",
            ),
        )

    def path(self, steps: list[Origin]) -> tuple[tuple[SourceSpan, str], ...]:
        """Related places for the way of the bytes, oldest first."""
        out = []
        ordered = steps[::-1]
        if len(ordered) > _LONGEST_PATH:
            ordered = ordered[: _LONGEST_PATH - 1] + ordered[-1:]
        for step in ordered:
            instruction = self.flat.instructions[step.position]
            spans = self.program.spans(instruction.site)
            if spans:
                source = name_of(self.program, step.source)
                out.append((spans[0], f"{instruction.op} reads undefined bytes of {source} through {step.operand}"))
        return tuple(out)

    def fill(self, root: TensorDecl) -> str:
        return f"write all of {name_of(self.program, root)} first (nisa.memset, or a copy that fills it)"

    def use_register(self, register: Register | None, site: int, user: str) -> None:
        if register is None or register in self.registers:
            return
        label = f"{register!r} `{register.name}`" if register.name else repr(register)
        self.errors.add(
            (site, register.index, "register"),
            Diagnostic(
                code="uninitialised",
                message=f"{user}: register {label} is read before it is written",
                spans=self.program.spans(site),
                facts=("nisa.register_alloc without a value leaves the register undefined (nki.isa.register_alloc)",),
                fix="give nisa.register_alloc a start value, or write it with nisa.register_move or nisa.register_load",
            ),
        )

    def outputs(self) -> None:
        """Undefined bytes that an instruction put into what the caller gets back."""
        for pattern in caller_patterns(self.flat):
            tensor = pattern.tensor
            cells, row, byte = self.places[tensor.index]
            if not cells.nonzero or not (cells.view(pattern, row, byte) > NEVER_WRITTEN).any():
                continue
            origins: Origins = cells.elements(pattern, row, byte).max(axis=-1)
            bad = origins > NEVER_WRITTEN
            steps = self.chain(int(origins[bad][0]))
            last = self.flat.instructions[steps[0].position]
            root = steps[-1].source
            place = first_index(bad.reshape(caller_shape(pattern)))
            self.blamed.add(self.blame(root))
            self.errors.add(
                (last.site, steps[0].position, tensor.index, "output"),
                Diagnostic(
                    code="uninitialised",
                    message=(
                        f"undefined bytes reach {name_of(self.program, tensor)}, which the caller gets: "
                        f"{int(np.count_nonzero(bad))} of {bad.size} elements, the first at {place}; "
                        f"they come from {name_of(self.program, root)}"
                    ),
                    spans=self.program.spans(last.site),
                    label=f"copies undefined elements of {name_of(self.program, steps[0].source)}",
                    related=(*allocated_here(self.program, root), *self.path(steps[1:])),
                    facts=(_FACT,),
                    fix=f"{self.fill(root)}, or copy out only what was written",
                ),
            )


def _surely_runs(loop: Loop) -> bool:
    """Whether a loop makes at least one pass, whatever the data."""
    if loop.condition is not None or isinstance(loop.start, Register) or isinstance(loop.stop, Register):
        return False
    return len(range(loop.start, loop.stop, loop.step)) > 0


def caller_patterns(flat: FlatProgram) -> list[AccessPattern]:
    """What the caller sees: the views that are returned, and arguments the kernel writes."""
    program = flat.program
    seen = list(program.results) or [t.whole() for t in program.outputs]
    returned = {pattern.tensor.index for pattern in seen}
    for tensor in program.tensors:
        if tensor.role == "input" and tensor.written and tensor.index not in returned:
            seen.append(tensor.whole())
    return seen


def caller_shape(pattern: AccessPattern) -> tuple[int, ...]:
    """The shape the caller sees: the tensor's when all of it is returned, else the view's."""
    return pattern.tensor.shape if pattern == pattern.tensor.whole() else pattern.shape
