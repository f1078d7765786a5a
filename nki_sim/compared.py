"""Runs of kernels in which data decide whether undefined bytes reach the caller.

Where `checks.definedness` cannot tell before running (a predicated copy into a fresh tile, rows that a gather skips, a
loop that may not run), the kernel runs twice, with memory that starts as all ones and as all zeros. A byte of a result
that differs depends on what memory held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nki_sim.diagnostics.model import Diagnostic, UninitialisedError
from nki_sim.memory.wording import name_of
from nki_sim.program.ir import Program, TensorDecl

if TYPE_CHECKING:
    from nki_sim.engines import Runner

Array = np.ndarray[Any, Any]
FILLS = (0xFF, 0x00)


def run_compared(runner: Runner, program: Program, hbm: dict[int, Array], on_print: Callable[[str], None]) -> None:
    """Run twice and leave the first run's arrays in `hbm`, which so far holds the arguments and constants.

    Raises UninitialisedError when a result differs between the runs; arguments the kernel writes are then as they were.
    """
    written = [t for t in program.tensors if t.role == "input" and t.written]
    before = {t.index: hbm[t.index] for t in written}
    runs = []
    for fill, show in zip(FILLS, (on_print, _silent), strict=True):
        arrays = {**hbm, **{index: array.copy() for index, array in before.items()}}
        for tensor in program.tensors:
            if tensor.space == "hbm" and tensor.index not in arrays:
                arrays[tensor.index] = np.full(tensor.nbytes, fill, np.uint8).view(tensor.dtype.storage)
                arrays[tensor.index] = arrays[tensor.index].reshape(tensor.shape)
        runner(arrays, show, fill)
        runs.append(arrays)
    first, second = runs
    seen = {t.index: t for t in (*program.outputs, *written)}
    found = [_difference(program, t, first[t.index], second[t.index]) for t in seen.values()]
    errors = [one for one in found if one is not None]
    if errors:
        raise UninitialisedError(errors)
    for index, array in before.items():
        array[...] = first[index]
        first[index] = array
    hbm.update(first)


def _silent(_: str) -> None:
    return None


def _difference(program: Program, tensor: TensorDecl, first: Array, second: Array) -> Diagnostic | None:
    size = first.itemsize
    rows = first.reshape(-1).view(np.uint8).reshape(-1, size) != second.reshape(-1).view(np.uint8).reshape(-1, size)
    differs = np.flatnonzero(rows.any(axis=1))
    if not len(differs):
        return None
    at = [int(i) for i in np.unravel_index(int(differs[0]), tensor.shape)]
    return Diagnostic(
        code="uninitialised",
        message=(
            f"undefined bytes reached {name_of(program, tensor)}, which the caller gets:"
            f" {len(differs)} of {first.size} elements, the first at {at}"
        ),
        spans=program.spans(tensor.site),
        facts=(
            "data decided here what is written: a predicate, an index or the passes of a loop",
            "nl.ndarray leaves its memory undefined until it is written (nki-language-guide.rst)",
        ),
        fix="write all of the tensor first (nisa.memset, or a copy that fills it)",
    )
