"""PSUM accumulation: which matmuls overwrite and which add, per element.

Source: nki.isa.nc_matmul. accumulate=False overwrites, True adds, None means that the first write to a location
overwrites and later ones add. The state belongs to the allocation: a fresh nl.ndarray starts clean even at an address
used before, and reading a PSUM tile does not reset it (no public kernel relies on either otherwise).

Choices where the documents leave room, see docs/design/psum-accumulation.md: zeros written by memset count as written
(adding to them and overwriting agree; a warning on gen2 and gen3, where the documents call it undefined); other values
written by other engines are an error there; results of a matmul that another engine has rewritten are a warning; a
transpose through the PE array passes bits and never adds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nki_sim.checks.describe import allocated_here, first_index, name_of, operand_text
from nki_sim.checks.findings import Findings
from nki_sim.diagnostics.model import Diagnostic
from nki_sim.memory.accesses import FlatProgram, flatten, split
from nki_sim.memory.bytemap import ByteMap
from nki_sim.memory.regions import reach
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Item, Loop, Program, TensorDecl
from nki_sim.targets import Target

_CLEAN, _MATMUL, _ZEROS, _VALUES, _REWORKED = range(5)
"""What an element of a PSUM tensor holds: nothing, a matmul result, zeros by memset, other values by another engine, or
a matmul result that another engine has overwritten."""

Flag = bool | npt.NDArray[np.uint8]

_MATMULS = frozenset({"nc_matmul", "nc_matmul_mx"})
# On these generations adding to what another engine wrote is undefined (nki.isa.nc_matmul, accumulation mode).
_LAST_GENERATION_WITHOUT_FOREIGN_VALUES = 3
_FOREIGN_FACT = (
    "on NeuronCore-v2 and -v3 a matmul may not add to PSUM that another instruction initialised (nki.isa.nc_matmul)"
)


def resolve(program: Program, target: Target, *, flat: FlatProgram | None = None) -> list[Diagnostic]:
    """Replace accumulate=None on each nc_matmul by False (overwrites), True (adds) or a uint8 mask; report misuse.

    The mask has the shape (partitions, elements per partition) of dst: 1 adds, 0 overwrites. Resolving a resolved
    program changes nothing.
    """
    flat = flatten(program) if flat is None else flat
    analysis = _Analysis(flat, target)
    if analysis.states:
        analysis.body(program.body, 0)
        analysis.commit()
    return analysis.findings.diagnostics


class _Analysis:
    def __init__(self, flat: FlatProgram, target: Target) -> None:
        self.flat = flat
        self.target = target
        self.findings = Findings()
        self.states = {
            t.index: ByteMap(t.partitions, t.bytes_per_partition, _CLEAN, np.uint8)
            for t in flat.program.tensors
            if t.space == "psum"
        }
        self.flags: dict[int, Flag] = {}
        self.fresh: dict[int, list[TensorDecl]] = {}
        if flat.loops:
            for tensor in flat.program.tensors:
                if tensor.space == "psum":
                    for loop in flat.chain(flat.home(tensor)):
                        self.fresh.setdefault(loop, []).append(tensor)
        self.loop = -1

    def body(self, items: list[Item], position: int) -> int:
        for item in items:
            if isinstance(item, Loop):
                self.loop += 1
                number, start = self.loop, position
                for _ in range(2):
                    self.loop = number
                    # Each pass over the body makes its allocations anew.
                    for tensor in self.fresh.get(number, ()):
                        self.states[tensor.index].reset(_CLEAN)
                    position = self.body(item.body, start)
            else:
                self.step(position, item)
                position += 1
        return position

    def step(self, position: int, instruction: Instruction) -> None:
        for _, pattern in self.flat.accesses[position][1]:
            state = self.states.get(pattern.tensor.index)
            if state is None:
                continue
            still = reach(pattern)
            if instruction.op in _MATMULS:
                self.matmul(position, instruction, pattern, state)
                state.fill(still, _MATMUL)
            elif instruction.op == "nc_transpose" and instruction.engine == "tensor":
                state.fill(still, _MATMUL)
            elif instruction.op == "memset" and instruction.attributes.get("value") == 0:
                state.fill(still, _ZEROS)
            else:
                view = state.view(still)
                worked_on = (view == _MATMUL) | (view == _REWORKED)
                view[...] = np.where(worked_on, np.uint8(_REWORKED), np.uint8(_VALUES))
                state.recount()

    def matmul(self, position: int, instruction: Instruction, pattern: AccessPattern, state: ByteMap) -> None:
        asked = instruction.attributes.get("accumulate")
        found = state.view(reach(pattern))
        if asked is None or isinstance(asked, np.ndarray):
            flag = self.infer(instruction, pattern, state)
            before = self.flags.get(position)
            if before is not None and not _same(before, flag):
                self.depends_on_pass(position, instruction, pattern)
            elif before is None:
                self.flags[position] = flag
            if flag is False:
                return
        elif not asked:
            return
        elif (found == _CLEAN).any():
            self.adds_to_nothing(position, instruction, pattern, state)
            return
        if self.target.generation <= _LAST_GENERATION_WITHOUT_FOREIGN_VALUES:
            self.foreign(position, instruction, pattern, found)

    def infer(self, instruction: Instruction, pattern: AccessPattern, state: ByteMap) -> Flag:
        if instruction.attributes.get("is_transpose"):
            return False
        written = state.view(reach(pattern)) != _CLEAN
        if written.all():
            return True
        if not written.any():
            return False
        # An element is written whole or not at all, unless types of different sizes meet; then it counts as unwritten.
        mask = (state.elements(reach(pattern)) != _CLEAN).all(axis=-1)
        if pattern.is_dynamic:
            mask = mask.all(axis=1)
        return np.ascontiguousarray(mask.reshape(mask.shape[0], -1), dtype=np.uint8)

    def commit(self) -> None:
        """Write the flags into the instructions; whether a matmul reads its destination follows from them."""
        for position, flag in self.flags.items():
            instruction = self.flat.instructions[position]
            instruction.attributes["accumulate"] = flag
            self.flat.accesses[position] = split(instruction)

    # -- findings ----------------------------------------------------------------------------------------------------

    def add(self, position: int, pattern: AccessPattern, diagnostic: Diagnostic) -> None:
        self.findings.add(
            (self.flat.instructions[position].site, position, pattern.tensor.site, diagnostic.owner), diagnostic
        )

    def adds_to_nothing(self, position: int, instruction: Instruction, pattern: AccessPattern, state: ByteMap) -> None:
        clean = (state.elements(reach(pattern)) == _CLEAN).any(axis=-1)
        count = int(np.count_nonzero(clean))
        program = self.flat.program
        self.add(
            position,
            pattern,
            Diagnostic(
                code="accumulation",
                message=(
                    f"{instruction.op}: accumulate=True adds to {count} of {clean.size} elements of "
                    f"{name_of(program, pattern.tensor)} that nothing has written, the first at {first_index(clean)}"
                ),
                spans=program.spans(instruction.site),
                label=f"dst is {operand_text(program, pattern)}",
                related=allocated_here(program, pattern.tensor),
                facts=(
                    "the first matmul to a PSUM location must overwrite; adding to it is undefined on every target "
                    "(nki.isa.nc_matmul)",
                ),
                fix="pass accumulate=False for the first matmul of the group, or leave accumulate out",
            ),
        )

    def foreign(
        self, position: int, instruction: Instruction, pattern: AccessPattern, found: npt.NDArray[np.uint8]
    ) -> None:
        """Adding to what another engine wrote, on generations where that is undefined."""
        worst = int(found.max(initial=_CLEAN)) if not (found == _VALUES).any() else _VALUES
        if worst <= _MATMUL:
            return
        program = self.flat.program
        name = name_of(program, pattern.tensor)
        if worst == _VALUES:
            severity, what = "error", "values that another engine wrote there"
            fix = "overwrite (accumulate=False) and add the values afterwards with nisa.tensor_tensor, or target trn3"
        elif worst == _ZEROS:
            severity, what = "warning", "zeros that memset wrote there"
            fix = f"leave out the memset of {name}: the first matmul overwrites"
        else:
            severity, what = "warning", "a matmul result that another engine has rewritten"
            fix = f"accumulate in a fresh PSUM tensor and combine with {name} by nisa.tensor_tensor"
        self.add(
            position,
            pattern,
            Diagnostic(
                code="accumulation",
                severity="error" if severity == "error" else "warning",
                message=f"{instruction.op}: adds to {what}: {name}, on {self.target.name}",
                spans=program.spans(instruction.site),
                label=f"dst is {operand_text(program, pattern)}",
                related=allocated_here(program, pattern.tensor),
                facts=(_FOREIGN_FACT,),
                fix=fix,
            ),
        )

    def depends_on_pass(self, position: int, instruction: Instruction, pattern: AccessPattern) -> None:
        program = self.flat.program
        self.add(
            position,
            pattern,
            Diagnostic(
                code="accumulation",
                owner="documents",
                message=(
                    f"{instruction.op}: with accumulate left out, the first pass of the device loop would overwrite "
                    f"{name_of(program, pattern.tensor)} and later passes add to it"
                ),
                spans=program.spans(instruction.site),
                label=f"dst is {operand_text(program, pattern)}",
                related=allocated_here(program, pattern.tensor),
                facts=(
                    "the documents do not say what accumulate=None means when a body is built once but run many "
                    "times (nki.isa.nc_matmul, nki.language.dynamic_range)",
                ),
                fix=(
                    "start the group before the loop with an accumulate=False matmul and pass accumulate=True inside, "
                    "allocate the PSUM tensor inside the loop, or unroll it with nl.static_range"
                ),
            ),
        )


def _same(a: Flag, b: Flag) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a.shape == b.shape and bool((a == b).all())
