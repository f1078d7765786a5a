"""Outputs: never written, written in part, returned as they came, and how coarse their maps stay."""

from __future__ import annotations

import numpy as np

from nki_sim import checks
from nki_sim.checks.definedness import analyse_definedness
from nki_sim.memory import allocate
from nki_sim.memory.accesses import flatten
from nki_sim.targets import load
from tests.support.ir import Build, part


def errors(build):
    target = load(build.program.target)
    found = checks.run(build.program, target, allocate(build.program, target))
    return [d for d in found if d.severity == "error"]


def test_an_output_nobody_writes():
    build = Build()
    build.output(128, 64, name="o")
    (error,) = errors(build)
    assert (error.code, error.message) == ("output", "output `o` [128, 64] float32 is never written")


def test_an_output_written_in_part():
    build = Build()
    x, o = build.input(128, 64), build.output(128, 64, name="o")
    build.copy(part(o, rows=slice(0, 100)), part(x, rows=slice(0, 100)))
    (error,) = errors(build)
    assert error.message == (
        "output `o` [128, 64] float32 is written only in part: 1792 of 8192 elements are not, the first at [100, 0]"
    )
    build.copy(part(o, rows=slice(100, 128)), part(x, rows=slice(100, 128)))
    assert errors(build) == []


def test_only_the_view_that_is_returned_must_be_written():
    build = Build()
    x, o = build.input(128, 64), build.output(128, 64, name="o")
    build.copy(part(o, rows=slice(0, 100)), part(x, rows=slice(0, 100)))
    build.program.results = [part(o, rows=slice(0, 100))]
    assert errors(build) == []
    build.program.results = [part(o, rows=slice(50, 101))]
    assert (
        "[51, 64] float32 is written only in part: 64 of 3264 elements are not, the first at [50, 0]"
        in errors(build)[0].message
    )


def test_an_argument_returned_as_it_came():
    build = Build()
    x = build.input(128, 64)
    build.program.outputs.append(x)
    assert errors(build) == []


def test_undefined_bytes_written_into_an_argument():
    build = Build()
    x = build.input(8, 8, name="x")
    a = build.sbuf(8, 8, name="a")
    build.copy(x, a)
    x.written = True
    (error,) = errors(build)
    assert error.code == "uninitialised" and "`x`" in error.message


def test_large_outputs_written_tile_by_tile_stay_coarse():
    build = Build()
    o = build.output(4096, 4096)
    a = build.sbuf(128, 512)
    build.memset(a)
    for row in range(0, 4096, 128):
        for column in range(0, 4096, 512):
            build.copy(part(o, slice(row, row + 128), slice(column, column + 512)), a)
    found = analyse_definedness(flatten(build.program))
    cells = found.places[o.index][0]
    assert cells.nonzero == 0 and cells.cells.size == 4096 * 8
    assert not np.any(cells.cells)
