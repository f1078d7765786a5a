"""What a check finds, and the exceptions that carry it.

The exceptions are a hierarchy by *whose move it is*: `KernelError` (the kernel breaks a rule), `UndocumentedBehaviour`
(the public documents do not say what the hardware does), `NotImplementedYet` (nki_sim owes it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nki_sim.program.spans import SourceSpan

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One finding.

    code      stable, lower-case, hyphenated; has a page under docs/diagnostics/
    message   one sentence that names the instruction, the operand and the numbers
    spans     source chain, innermost first; empty only when there is no source to point at
    label     text to stand beside the caret: the operand as it is, and where it was allocated
    related   other places worth showing, each with a word of explanation
    facts     the rules of the hardware or the language behind the finding
    fix       what to do instead, in the imperative
    owner     whose move it is: "kernel", "documents" or "simulator"
    count     how many findings this one stands for, after `group`
    """

    code: str
    message: str
    severity: Severity = "error"
    spans: tuple[SourceSpan, ...] = ()
    label: str = ""
    related: tuple[tuple[SourceSpan, str], ...] = ()
    facts: tuple[str, ...] = ()
    fix: str = ""
    owner: Literal["kernel", "documents", "simulator"] = "kernel"
    count: int = 1

    @property
    def span(self) -> SourceSpan | None:
        return self.spans[0] if self.spans else None


def group(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings with duplicates merged: same code, message and innermost span, counted, in first-seen order."""
    merged: dict[tuple[str, str, SourceSpan | None], Diagnostic] = {}
    for one in diagnostics:
        key = (one.code, one.message, one.span)
        seen = merged.get(key)
        merged[key] = one if seen is None else replace(seen, count=seen.count + one.count)
    return list(merged.values())


@dataclass(eq=False)
class NkiSimError(Exception):
    """Base of every error nki_sim raises about a kernel. `diagnostics` holds all findings of the pass, grouped."""

    diagnostics: Sequence[Diagnostic] = field(default_factory=tuple)

    def __str__(self) -> str:
        from nki_sim.diagnostics.render import to_text

        return to_text(self.diagnostics)


class KernelError(NkiSimError):
    """The kernel breaks a rule of the language or of the hardware."""


class LanguageError(KernelError):
    """The kernel uses Python that cannot become device code."""


class ShapeError(KernelError):
    """Shapes do not fit each other or the hardware."""


class DtypeError(KernelError):
    """A data type is not allowed where it stands."""


class PlacementError(KernelError):
    """A tensor lives in a memory or at a partition that the instruction cannot reach."""


class CapacityError(KernelError):
    """The tensors alive together do not fit the memory."""


class UninitialisedError(KernelError):
    """Undefined bytes reach an output, a register, an index or a predicate."""


class RaceError(KernelError):
    """Tensors alive together share addresses, or iterations depend on each other where they must not."""


class BoundsError(KernelError):
    """An access leaves its tensor, found before running or, for addresses known only then, while running."""


class UndocumentedBehaviour(NkiSimError):
    """The public documents do not say what the hardware does here, so there is no right answer to give."""


class NotImplementedYet(NkiSimError):
    """The documents say what happens; nki_sim owes it."""


_WEIGHT = {"error": 0, "warning": 1, "note": 2}
_BY_CODE: dict[str, type[NkiSimError]] = {
    "shape": ShapeError,
    "dtype": DtypeError,
    "placement": PlacementError,
    "partition": PlacementError,
    "capacity": CapacityError,
    "uninitialised": UninitialisedError,
    "overlap": RaceError,
    "race": RaceError,
    "bounds": BoundsError,
}


def error_for(diagnostics: Sequence[Diagnostic]) -> NkiSimError:
    """The exception that fits the first error among `diagnostics`; it carries all of them, errors first."""
    found = sorted(group(diagnostics), key=lambda d: _WEIGHT[d.severity])
    first = found[0]
    if first.owner == "documents":
        return UndocumentedBehaviour(found)
    if first.owner == "simulator":
        return NotImplementedYet(found)
    if first.code.startswith("language"):
        return LanguageError(found)
    return _BY_CODE.get(first.code, KernelError)(found)


def raise_errors(diagnostics: Sequence[Diagnostic]) -> None:
    """Raise the exception for `diagnostics` if any of them is an error."""
    if any(d.severity == "error" for d in diagnostics):
        raise error_for(diagnostics)
