"""Patterns that leave their tensor, and kernel-chosen addresses the memory does not have."""

from __future__ import annotations

import pytest

from nki_sim import checks
from nki_sim.memory import allocate
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import bfloat16, float32, uint8
from nki_sim.targets import load
from tests.support.ir import Build, at_register, part


def errors(build, **options):
    target = load(build.program.target)
    found = checks.run(build.program, target, allocate(build.program, target, **options))
    return [d for d in found if d.severity == "error" and d.code in ("bounds", "placement", "partition")]


@pytest.mark.parametrize(("offset", "legal"), ((0, True), (1, False), (-1, False)))
def test_a_pattern_that_leaves_a_partition(offset, legal):
    build = Build()
    a = build.sbuf(128, 512, name="a")
    build.memset(AccessPattern(a, float32, (0, 1, 128), offset, ((256, 2), (1, 256))))
    found = errors(build)
    if legal:
        assert found == []
        return
    (error,) = found
    assert error.code == "bounds"
    assert error.message == (
        f"memset: dst touches elements {offset} to {offset + 511} of `a`, which has 512 elements per partition"
    )
    assert error.label.startswith("dst is [128, 2, 256] float32 of `a` in sbuf, allocated at line ")


def test_a_pattern_that_leaves_its_partitions():
    build = Build()
    a = build.sbuf(64, 8, name="a")
    build.memset(AccessPattern(a, float32, (32, 1, 33), 0, ((1, 8),)))
    assert errors(build)[0].message == "memset: dst touches partitions 32 to 64 of `a`, which has 64 partitions"
    build = Build()
    a = build.sbuf(64, 8, name="a")
    build.memset(AccessPattern(a, float32, (32, 1, 32), 0, ((1, 8),)))
    assert errors(build) == []


def test_elements_of_a_reinterpreted_pattern_are_counted_in_its_own_type():
    for count, legal in ((16, True), (17, False)):
        build = Build()
        a = build.sbuf(4, 8, name="a")
        build.memset(AccessPattern(a, bfloat16, (0, 1, 4), 0, ((1, count),)))
        messages = [d.message for d in errors(build)]
        assert messages == (
            []
            if legal
            else ["memset: dst touches elements 0 to 16 of `a`, which has 16 elements of bfloat16 per partition"]
        )


def test_a_pattern_that_leaves_an_hbm_tensor():
    build = Build()
    x = build.input(4, 8, name="x")
    a = build.sbuf(4, 8)
    build.copy(a, AccessPattern(x, float32, None, 1, ((8, 4), (1, 8))))
    assert errors(build)[0].message == "dma_copy: src touches elements 1 to 32 of `x`, which has 32 elements in all"


def test_a_dynamic_start_is_left_to_the_run_but_its_extent_is_not():
    for rows, legal in ((4, True), (5, False)):
        build = Build()
        x = build.input(4, 8)
        register = build.register()
        build.emit("register_move", engine="sync", dst=register, src=0)
        pattern = AccessPattern(x, float32, None, 0, ((8, rows), (1, 8)))
        build.copy(build.sbuf(rows, 8), at_register(pattern, register, 8, 4))
        assert (errors(build) == []) == legal


def test_bounds_errors_stop_the_analyses_that_follow_bytes():
    build = Build()
    a, o = build.sbuf(4, 8), build.output(4, 8)
    build.memset(AccessPattern(a, float32, (0, 1, 4), 4, ((1, 8),)))
    target = load("trn2")
    found = checks.run(build.program, target, allocate(build.program, target))
    assert [d.code for d in found] == ["bounds"]
    assert o.role == "output"


def test_too_many_partitions():
    build = Build()
    build.sbuf(256, 8, name="a")
    (error,) = errors(build)
    assert error.code == "partition"
    assert error.message == "`a` [256, 8] float32 in sbuf has 256 partitions; sbuf has 128"


@pytest.mark.parametrize(
    ("space", "shape", "address", "text"),
    [
        ("sbuf", (64, 8), (96, 0), "is placed at partitions 96 to 159; sbuf has partitions 0 to 127"),
        (
            "sbuf",
            (128, 8),
            (0, 212960),
            "is placed at bytes 212960 to 212991 of each partition; trn2 has bytes 0 to 212983",
        ),
        (
            "psum",
            (128, 512),
            (0, 14340),
            "is placed at bytes 14340 to 16387 of each partition; trn2 has bytes 0 to 16383",
        ),
        ("psum", (128, 8), (0, 2), "is placed at byte 2, which is not a multiple of 4"),
        ("sbuf", (64, 8), (64, 212952), None),
        ("sbuf", (128, 8), (0, 3), None),
        ("psum", (128, 512), (0, 14336), None),
    ],
)
def test_kernel_chosen_addresses(space, shape, address, text):
    build = Build()
    build.tensor(space, shape, address=address, name="t")
    found = errors(build)
    assert [text in d.message for d in found] == ([True] if text else [])
    assert errors(build, separate=True) == [], "with storage of its own the address does not count"


@pytest.mark.parametrize(
    ("start", "count", "legal"), [(32, 32, True), (96, 32, True), (64, 64, True), (16, 16, False), (32, 64, False)]
)
def test_engines_start_at_certain_partitions_of_a_placed_tensor(start, count, legal):
    build = Build()
    a = build.sbuf(count, 8, dtype=uint8, name="a", address=(start, 0))
    build.memset(a)
    found = errors(build)
    assert (found == []) == legal
    if not legal:
        assert found[0].code == "partition"
        assert (
            f"dst starts at partition {start} (`a` is placed at partition {start}) with {count} partitions"
            in found[0].message
        )
    build = Build()
    x = build.input(count, 8, dtype=uint8)
    build.copy(build.sbuf(count, 8, dtype=uint8, address=(start, 0)), x)
    assert errors(build) == [], "DMA reaches any partition"


@pytest.mark.parametrize(
    ("target", "byte", "legal"), [("trn2", 0, True), ("trn2", 1024, False), ("trn1", 1024, False), ("trn3", 1024, True)]
)
def test_a_matmul_result_fits_one_bank(target, byte, legal):
    build = Build(target)
    a = build.sbuf(128, 128)
    b = build.sbuf(128, 512)
    acc = build.psum(128, 512, name="acc", address=(0, byte))
    build.memset(a)
    build.memset(b)
    build.matmul(acc, a, b)
    found = errors(build)
    assert (found == []) == legal
    if not legal:
        assert found[0].message == (
            "nc_matmul: dst spans PSUM banks 0 to 1 (bytes 1024 to 3071 of each partition); a result fits "
            "one bank of 2048 bytes"
        )


def test_placed_automatically_a_wide_psum_tensor_takes_matmuls_bank_by_bank():
    build = Build()
    a, b = build.sbuf(128, 128), build.sbuf(128, 512)
    build.memset(a)
    build.memset(b)
    acc = build.psum(128, 1024)
    build.matmul(part(acc, columns=slice(0, 512)), a, b)
    build.matmul(part(acc, columns=slice(512, 1024)), a, b)
    assert errors(build) == []
    build.matmul(part(acc, columns=slice(256, 768)), a, b)
    assert [d.code for d in errors(build)] == ["placement"]
