"""What tiles and source lines are called in reports: the variable a tile is kept in, and the line that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nki_sim.program.ir import Program, TensorDecl
from nki_sim.program.spans import SourceSpan

# `sums = ...`, `sums: Tensor = ...` and `tiles[k, m] = ...`, up to where the allocating call stands.
_ASSIGNED_TO = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[[^=\]]*\])?\s*(?::[^=]*)?=\s*")


def named_at(program: Program, tensor: TensorDecl) -> tuple[str, SourceSpan | None]:
    """(name, line): the tensor's own name, else the variable its allocation ends up in, helpers unwound; else "%3"."""
    spans = program.spans(tensor.site)
    first = spans[0] if spans else None
    if tensor.name:
        return tensor.name, first
    for span in spans:
        found = _ASSIGNED_TO.fullmatch(span.text[: span.column - 1]) if span.column else None
        if found is not None:
            return found[1], span
    return f"%{tensor.index}", first


def tile_name(program: Program, tensor: TensorDecl) -> str:
    return named_at(program, tensor)[0]


def join_names(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; each once."""
    distinct = list(dict.fromkeys(names))
    return " and ".join([", ".join(distinct[:-1]), distinct[-1]] if len(distinct) > 1 else distinct)


def spans_of(program: Program, sites: Iterable[int]) -> tuple[SourceSpan, ...]:
    """The innermost span of each site, each line once."""
    return distinct(span for site in sites for span in program.spans(site)[:1])


def allocations_of(program: Program, tensors: Iterable[TensorDecl]) -> tuple[SourceSpan, ...]:
    """The lines that give the tensors their names, each once."""
    return distinct(span for one in tensors for span in [named_at(program, one)[1]] if span is not None)


def distinct(spans: Iterable[SourceSpan]) -> tuple[SourceSpan, ...]:
    """One span per line, in order of appearance."""
    found: dict[tuple[str, int], SourceSpan] = {}
    for span in spans:
        found.setdefault((span.file, span.line), span)
    return tuple(found.values())


__all__: Sequence[str] = ("allocations_of", "distinct", "join_names", "named_at", "spans_of", "tile_name")
