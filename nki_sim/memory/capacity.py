"""The capacity error: what is alive at the fullest moment, with sizes and lines, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nki_sim.diagnostics.model import Diagnostic
from nki_sim.memory.accesses import FlatProgram
from nki_sim.memory.wording import tensor_text
from nki_sim.program.ir import Program, TensorDecl
from nki_sim.program.spans import SourceSpan
from nki_sim.targets import Target

if TYPE_CHECKING:
    from nki_sim.memory.allocate import Peak

_LISTED = 8


def does_not_fit(flat: FlatProgram, target: Target, peak: Peak, needed_bytes: int) -> Diagnostic:
    """The error for one memory that cannot hold what is alive together."""
    program = flat.program
    space = peak.space
    capacity = peak.capacity_bytes
    largest = peak.tensors[0]
    source = target.number("limits.sbuf_usable_bytes" if space == "sbuf" else "limits.psum_bytes").source
    if largest.bytes_per_partition > capacity:
        message = (
            f"{tensor_text(program, largest)} needs {largest.bytes_per_partition} bytes per partition; "
            f"{target.name} has {capacity} usable"
        )
        most = capacity // largest.dtype.itemsize
        fix = f"split it along the free dimensions into tiles of at most {most} {largest.dtype} elements per partition"
    elif needed_bytes > capacity:
        message = (
            f"{space} is full: the {len(peak.tensors)} tensors alive together here need {needed_bytes} bytes per "
            f"partition; {target.name} has {capacity} usable"
        )
        fix = "use smaller tiles, or finish with a tensor before the next one is first written"
    else:
        message = (
            f"{space}: no arrangement of the tensors was found in which those alive together fit; at the fullest "
            f"moment {needed_bytes} of {capacity} bytes per partition are needed, in pieces that do not pack"
        )
        fix = "use fewer different tile sizes, or choose addresses with address=(partition, byte offset)"
    facts = [f"usable {space} per partition on {target.name}: {capacity} bytes ({source})"]
    if space == "psum":
        bank = target.limit("psum_bank_bytes")
        facts.append(
            f"PSUM is {target.limit('psum_banks')} banks of {bank} bytes per partition; a tensor of at most "
            f"{bank} bytes lies within one bank (trainium_inferentia2_arch.rst)"
        )
        if fix.startswith("use smaller"):
            fix = "copy results to sbuf before starting the next accumulation, or use smaller tiles"
    born = [t for t in peak.tensors if _first_access(flat, t) == peak.position]
    blamed = born[0] if born and largest.bytes_per_partition <= capacity else largest
    spans = program.spans(blamed.site)
    listing = _listing(program, peak.tensors)
    label = next((text for span, text in listing if spans and span == spans[0]), "")
    return Diagnostic(
        code="capacity",
        message=message,
        spans=spans,
        label=label,
        related=tuple(one for one in listing if not spans or one != (spans[0], label)),
        facts=tuple(facts),
        fix=fix,
    )


def _first_access(flat: FlatProgram, tensor: TensorDecl) -> int:
    for position, (reads, writes) in enumerate(flat.accesses):
        if any(w[1].tensor is tensor for w in writes) or any(r[1].tensor is tensor for r in reads):
            return position
    return -1


def _listing(program: Program, tensors: tuple[TensorDecl, ...]) -> tuple[tuple[SourceSpan, str], ...]:
    """The tensors at the peak, those of one line, shape and type together; at most eight entries, then "and n more"."""
    groups: dict[tuple[int, tuple[int, ...], str], list[TensorDecl]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.site, tensor.shape, str(tensor.dtype)), []).append(tensor)
    ordered = sorted(groups.values(), key=lambda g: -sum(t.bytes_per_partition for t in g))
    shown: list[tuple[SourceSpan, str]] = []
    for members in ordered[:_LISTED]:
        spans = program.spans(members[0].site)
        if not spans:
            continue
        size = members[0].bytes_per_partition
        times = f"{len(members)} x " if len(members) > 1 else ""
        shown.append((spans[0], f"{times}{size} bytes per partition: {tensor_text(program, members[0])}"))
    rest = [t for members in ordered[_LISTED:] for t in members]
    if rest and shown:
        span, text = shown[-1]
        total = sum(t.bytes_per_partition for t in rest)
        shown[-1] = (span, f"{text}; and {len(rest)} more tensors, {total} bytes per partition together")
    return tuple(shown)
