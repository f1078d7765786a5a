"""Patterns that leave their tensor, and kernel-chosen addresses that leave their memory or break its rules."""

from __future__ import annotations

from nki_sim.checks.describe import allocated_here, name_of, operand_text, tensor_text
from nki_sim.checks.findings import Findings
from nki_sim.diagnostics.model import Diagnostic
from nki_sim.memory.accesses import FlatProgram
from nki_sim.memory.allocate import Allocation
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import TensorDecl
from nki_sim.targets import Target

# Engines whose operands obey the start-partition rule (trainium_inferentia2_arch.rst); DMA reaches any partition.
_LANE_ENGINES = frozenset({"tensor", "vector", "scalar", "gpsimd"})
# The PE array writes results of these; up to and with this generation a result fits one bank (nki.isa.nc_matmul).
_BANKED_OPS = frozenset({"nc_matmul", "nc_matmul_mx"})
_LAST_GENERATION_WITH_ONE_BANK = 3
_START_FACT = (
    "an engine starts at partition 0, 32, 64 or 96 for up to 32 partitions, 0 or 64 for up to 64, else 0 "
    "(trainium_inferentia2_arch.rst)"
)


def check_bounds(flat: FlatProgram, target: Target, allocation: Allocation) -> list[Diagnostic]:
    """Errors: bounds (a pattern leaves its tensor), placement and partition (addresses)."""
    checker = _Checker(flat, target, allocation)
    for tensor in flat.program.tensors:
        if tensor.space != "hbm":
            checker.tensor(tensor)
    for position, (reads, writes) in enumerate(flat.accesses):
        for name, pattern, kind in reads:
            if kind != "kept":
                checker.pattern(position, name, pattern)
        for name, pattern in writes:
            checker.pattern(position, name, pattern)
    return checker.findings.diagnostics


class _Checker:
    def __init__(self, flat: FlatProgram, target: Target, allocation: Allocation) -> None:
        self.flat = flat
        self.program = flat.program
        self.target = target
        self.allocation = allocation
        self.findings = Findings()
        self.partitions = target.limit("pmax")
        self.bank = target.limit("psum_bank_bytes")
        self.one_bank = target.generation <= _LAST_GENERATION_WITH_ONE_BANK
        self.fine: set[tuple[object, ...]] = set()

    # -- tensors -----------------------------------------------------------------------------------------------------

    def tensor(self, tensor: TensorDecl) -> None:
        space = tensor.space
        if tensor.partitions > self.partitions:
            self._about_tensor(
                tensor,
                "partition",
                f"{tensor_text(self.program, tensor)} has {tensor.partitions} partitions; {space} has "
                f"{self.partitions}",
                f"{space} is {self.partitions} partitions; the first dimension of an on-chip tensor is the partition "
                "dimension (trainium_inferentia2_arch.rst)",
                f"split the first dimension into tiles of at most {self.partitions}",
            )
            return
        if tensor.address is None or self.allocation.separate:
            return
        partition, byte = tensor.address
        capacity = self.target.limit("sbuf_usable_bytes" if space == "sbuf" else "psum_bytes")
        source = self.target.number("limits.sbuf_usable_bytes" if space == "sbuf" else "limits.psum_bytes").source
        last = partition + tensor.partitions
        if partition < 0 or last > self.partitions:
            self._about_tensor(
                tensor,
                "placement",
                f"{tensor_text(self.program, tensor)} is placed at partitions {partition} to {last - 1}; "
                f"{space} has partitions 0 to {self.partitions - 1}",
                f"{space} is {self.partitions} partitions (trainium_inferentia2_arch.rst)",
                f"start at partition {max(0, self.partitions - tensor.partitions)} or lower",
            )
        end = byte + tensor.bytes_per_partition
        if byte < 0 or end > capacity:
            self._about_tensor(
                tensor,
                "placement",
                f"{tensor_text(self.program, tensor)} is placed at bytes {byte} to {end - 1} of each partition; "
                f"{self.target.name} has bytes 0 to {capacity - 1}",
                f"usable {space} per partition on {self.target.name}: {capacity} bytes ({source})",
                f"end at byte {capacity} or lower",
            )
        align = self.target.limit("psum_align_bytes" if space == "psum" else "sbuf_align_bytes")
        if byte % align:
            self._about_tensor(
                tensor,
                "placement",
                f"{tensor_text(self.program, tensor)} is placed at byte {byte}, which is not a multiple of {align}",
                f"{space} addresses are multiples of {align} bytes (nki.language.tile_size)",
                f"use byte {byte - byte % align} or {byte - byte % align + align}",
            )

    def _about_tensor(self, tensor: TensorDecl, code: str, message: str, fact: str, fix: str) -> None:
        spans = self.program.spans(tensor.site)
        self.findings.add(
            (tensor.site, tensor.index, code, fact),
            Diagnostic(code=code, message=message, spans=spans, facts=(fact,), fix=fix),
        )

    # -- patterns ----------------------------------------------------------------------------------------------------

    def pattern(self, position: int, name: str, pattern: AccessPattern) -> None:
        tensor = pattern.tensor
        instruction = self.flat.instructions[position]
        # The verdict depends on these alone; unrolled loops repeat them with other tensors of the same kind.
        key = (
            tensor.address, tensor.shape, tensor.dtype, tensor.space, pattern.dtype, pattern.partition, pattern.offset,
            pattern.dims, pattern.is_dynamic, instruction.engine, instruction.op, name,
            self.allocation.placement.get(tensor.index) if tensor.space == "psum" else None,
        )  # fmt: skip
        if key in self.fine:
            return
        if self._inside(position, name, pattern) and self._placed_well(position, name, pattern):
            self.fine.add(key)

    def _inside(self, position: int, name: str, pattern: AccessPattern) -> bool:
        tensor = pattern.tensor
        if pattern.elements == 0:
            return True
        if pattern.partition is not None:
            start, step, count = pattern.partition
            low, high = sorted((start, start + step * (count - 1)))
            if low < 0 or high >= tensor.partitions:
                self._leaves(position, name, pattern, f"partitions {low} to {high}", f"{tensor.partitions} partitions")
                return False
        size = tensor.bytes_per_partition // pattern.dtype.itemsize
        dims = pattern.dims[1:] if pattern.vector is not None else pattern.dims
        low, high = pattern.replace(dims=dims).free_extent()
        if pattern.is_dynamic:
            # Only the extent is known; where it starts is checked while running.
            low, high = 0, high - low
        if low < 0 or high > size:
            where = "per partition" if pattern.on_chip else "in all"
            unit = "" if pattern.dtype is tensor.dtype else f" of {pattern.dtype}"
            self._leaves(position, name, pattern, f"elements {low} to {high - 1}", f"{size} elements{unit} {where}")
            return False
        return True

    def _leaves(self, position: int, name: str, pattern: AccessPattern, touched: str, has: str) -> None:
        program = self.program
        instruction = self.flat.instructions[position]
        self.findings.add(
            (instruction.site, position, name, touched),
            Diagnostic(
                code="bounds",
                message=(
                    f"{instruction.op}: {name} touches {touched} of {name_of(program, pattern.tensor)}, which has {has}"
                ),
                spans=program.spans(instruction.site),
                label=f"{name} is {operand_text(program, pattern)}",
                related=allocated_here(program, pattern.tensor),
                facts=("[step, count] pairs and the offset count elements of the storage (nki-language-guide.rst)",),
                fix="reduce the counts, the steps or the offset so that the last element lies inside the tensor",
            ),
        )

    def _placed_well(self, position: int, name: str, pattern: AccessPattern) -> bool:
        tensor = pattern.tensor
        instruction = self.flat.instructions[position]
        place = self.allocation.placement.get(tensor.index)
        if place is None or pattern.partition is None:
            return True
        program = self.program
        # Starts relative to a tensor at partition 0 are the instruction's own check.
        if place[0] and instruction.engine in _LANE_ENGINES:
            start = place[0] + pattern.partition[0]
            count = pattern.partition[2]
            if start not in _legal_starts(count):
                called, legal = name_of(program, tensor), _listed(_legal_starts(count))
                self.findings.add(
                    (instruction.site, position, name, "start"),
                    Diagnostic(
                        code="partition",
                        message=(
                            f"{instruction.op}: {name} starts at partition {start} ({called} is placed at partition "
                            f"{place[0]}) with {count} partitions; legal starts are {legal}"
                        ),
                        spans=program.spans(instruction.site),
                        label=f"{name} is {operand_text(program, pattern)}",
                        related=allocated_here(program, tensor),
                        facts=(_START_FACT,),
                        fix=f"place {called} so that the access starts at partition {legal}",
                    ),
                )
                return False
        if self.one_bank and tensor.space == "psum" and instruction.op in _BANKED_OPS and not pattern.is_dynamic:
            low, high = pattern.byte_extent()
            first, last = (place[1] + low) // self.bank, (place[1] + high - 1) // self.bank
            if first != last:
                self.findings.add(
                    (instruction.site, position, name, "bank"),
                    Diagnostic(
                        code="placement",
                        message=(
                            f"{instruction.op}: {name} spans PSUM banks {first} to {last} (bytes {place[1] + low} to "
                            f"{place[1] + high - 1} of each partition); a result fits one bank of {self.bank} bytes"
                        ),
                        spans=program.spans(instruction.site),
                        label=f"{name} is {operand_text(program, pattern)}",
                        related=allocated_here(program, tensor),
                        facts=(
                            f"a matmul writes within one {self.bank}-byte bank up to NeuronCore-v3 (nki.isa.nc_matmul)",
                        ),
                        fix=f"start at a multiple of {self.bank} and write at most {self.bank} bytes per partition",
                    ),
                )
                return False
        return True


def _legal_starts(count: int) -> tuple[int, ...]:
    if count <= 32:
        return 0, 32, 64, 96
    return (0, 64) if count <= 64 else (0,)


def _listed(numbers: tuple[int, ...]) -> str:
    if len(numbers) == 1:
        return str(numbers[0])
    return f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"
