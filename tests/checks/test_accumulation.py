"""PSUM accumulation flags agree with a naive per-element interpreter; every misuse has its finding and its mend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.checks.accumulation import resolve
from nki_sim.diagnostics.model import UndocumentedBehaviour, error_for
from nki_sim.program.dtypes import float32
from nki_sim.targets import load
from tests.support.ir import Build, part

SIDE = 6


def found(build, target="trn2"):
    return resolve(build.program, load(target))


def flags(build):
    return [i.attributes["accumulate"] for i in build.program.instructions() if i.op == "nc_matmul"]


@st.composite
def programs(draw):
    """Matmuls, transposes, copies and memsets into overlapping parts of a few PSUM tensors, some at one address."""
    build = Build()
    a = build.sbuf(SIDE, SIDE)
    build.memset(a, 1.0)
    pool = [build.psum(SIDE, SIDE, address=draw(st.sampled_from((None, (0, 0))))) for _ in range(2)]
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.integers(0, 4)) == 0:
            pool.append(build.psum(SIDE, SIDE, address=(0, 0)))
        rows, columns = draw(st.integers(1, SIDE)), draw(st.integers(1, SIDE))
        top, left = draw(st.integers(0, SIDE - rows)), draw(st.integers(0, SIDE - columns))
        step = draw(st.sampled_from((1, 1, 2)))
        tensor = draw(st.sampled_from(pool))
        dst = part(tensor, slice(top, top + rows), slice(left, left + columns, step))
        kind = draw(st.sampled_from(("matmul", "matmul", "matmul", "copy", "zero")))
        source = part(a, slice(0, dst.shape[0]), slice(0, dst.shape[1]))
        if kind == "matmul":
            stationary, moving = part(a, columns=slice(0, dst.shape[0])), part(a, columns=slice(0, dst.shape[1]))
            build.matmul(dst, stationary, moving, draw(st.sampled_from((None, None, False))))
        elif kind == "copy":
            build.copy(dst, source)
        else:
            build.memset(dst)
    return build


@settings(max_examples=200, deadline=None)
@given(programs())
def test_flags_are_those_of_a_naive_interpreter(build):
    written = set()
    expected = []
    for instruction in build.program.instructions():
        dst = instruction.operands["dst"]
        places = [(dst.tensor.index, *place) for place in dst.element_offsets()]
        if instruction.op == "nc_matmul":
            asked = instruction.attributes["accumulate"]
            adds = [place in written for place in places] if asked is None else [asked] * len(places)
            expected.append(np.array(adds).reshape(dst.shape))
        written.update(places)
    found(build)
    for flag, adds in zip(flags(build), expected, strict=True):
        if isinstance(flag, bool):
            assert (adds == flag).all()
        else:
            assert flag.dtype == np.uint8 and flag.any() and not flag.all()
            assert (flag == adds).all()
    # Resolving again changes nothing.
    before = flags(build)
    found(build)
    assert all(np.array_equal(a, b) for a, b in zip(before, flags(build), strict=True))


def tiles(build):
    a = build.sbuf(4, 4)
    build.memset(a, 1.0)
    return a


def test_the_first_matmul_overwrites_and_later_ones_add():
    build = Build()
    a, acc = tiles(build), build.psum(4, 4)
    for _ in range(3):
        build.matmul(acc, a, a)
    build.copy(a, acc)
    build.matmul(acc, a, a)
    assert found(build) == []
    assert flags(build) == [False, True, True, True], "reading does not start a new group"


def test_a_fresh_allocation_at_the_same_address_starts_clean():
    build = Build()
    a = tiles(build)
    for _ in range(2):
        acc = build.psum(4, 4, address=(0, 0))
        build.matmul(acc, a, a)
        build.matmul(acc, a, a)
    assert found(build) == []
    assert flags(build) == [False, True, False, True]


def test_a_destination_written_in_part_gets_a_mask():
    build = Build()
    a, acc = tiles(build), build.psum(4, 4)
    build.matmul(part(acc, columns=slice(0, 2)), a, part(a, columns=slice(0, 2)))
    build.matmul(part(acc, columns=slice(1, 4)), a, part(a, columns=slice(0, 3)))
    assert found(build) == []
    first, second = flags(build)
    assert first is False
    assert second.tolist() == [[1, 0, 0]] * 4


@pytest.mark.parametrize("opened", (True, False))
def test_adding_to_psum_nobody_wrote(opened):
    build = Build()
    a, acc = tiles(build), build.psum(4, 4, name="acc")
    build.matmul(part(acc, columns=slice(0, 3)), a, part(a, columns=slice(0, 3)), accumulate=False)
    if opened:
        build.matmul(part(acc, columns=slice(3, 4)), a, part(a, columns=slice(0, 1)), accumulate=False)
    build.matmul(acc, a, a, accumulate=True)
    diagnostics = found(build)
    if opened:
        assert diagnostics == []
        return
    (error,) = diagnostics
    assert (error.code, error.severity) == ("accumulation", "error")
    assert error.message == (
        "nc_matmul: accumulate=True adds to 4 of 16 elements of `acc` that nothing has written, the first at [0, 3]"
    )
    assert error.related[0][1] == "`acc` [4, 4] float32 in psum is allocated here"
    assert "accumulate=False" in error.fix


@pytest.mark.parametrize(
    ("value", "target", "severity"),
    [
        (0.0, "trn1", "warning"),
        (0.0, "trn2", "warning"),
        (1.0, "trn2", "error"),
        (0.0, "trn3", None),
        (1.0, "trn3", None),
    ],
)
def test_adding_to_what_memset_wrote(value, target, severity):
    build = Build(target)
    a, acc = tiles(build), build.psum(4, 4, name="acc")
    build.memset(acc, value)
    build.matmul(acc, a, a)
    diagnostics = found(build, target)
    assert [d.severity for d in diagnostics] == ([severity] if severity else [])
    assert flags(build) == [True], "a memset is a write"
    if severity == "error":
        assert diagnostics[0].message == "nc_matmul: adds to values that another engine wrote there: `acc`, on trn2"
    if severity:
        assert "nki.isa.nc_matmul" in diagnostics[0].facts[0]


def test_a_bias_copied_into_psum_before_the_group_is_refused_and_overwriting_it_is_not():
    for flag, expected in ((None, ["error"]), (True, ["error"]), (False, [])):
        build = Build()
        a, acc = tiles(build), build.psum(4, 4)
        build.copy(acc, a)
        build.matmul(acc, a, a, accumulate=flag)
        assert [d.severity for d in found(build)] == expected


def test_rescaling_an_open_accumulator_is_a_warning():
    build = Build()
    a, acc = tiles(build), build.psum(4, 4)
    build.matmul(acc, a, a)
    build.emit("tensor_scalar", dst=acc, data=acc, operand0=0.5, op0="multiply")
    build.matmul(acc, a, a)
    assert [d.severity for d in found(build)] == ["warning"]
    assert flags(build) == [False, True]


def test_transposes_through_the_pe_array_never_add():
    build = Build()
    a, acc = tiles(build), build.psum(4, 4)
    build.matmul(acc, a, a, is_transpose=True)
    build.matmul(acc, a, a, is_transpose=True)
    assert found(build) == []
    assert flags(build) == [False, False]


# -- device loops ------------------------------------------------------------------------------------------------------


def test_a_group_across_passes_of_a_device_loop_is_not_documented():
    build = Build()
    a, acc = tiles(build), build.psum(4, 4, name="acc")
    with build.loop(4):
        build.matmul(acc, a, a)
    (error,) = found(build)
    assert error.owner == "documents"
    assert isinstance(error_for([error]), UndocumentedBehaviour)
    assert "`acc`" in error.message


def test_ways_to_accumulate_in_a_device_loop_that_are_documented():
    build = Build()
    a = tiles(build)
    opened, unrolled = build.psum(4, 4), build.psum(4, 4)
    build.matmul(opened, a, a)
    with build.loop(4):
        build.matmul(opened, a, a)
        inside = build.psum(4, 4)
        build.matmul(inside, a, a)
        build.matmul(inside, a, a)
        build.matmul(unrolled, a, a, accumulate=False)
        build.matmul(unrolled, a, a)
    assert found(build) == []
    assert flags(build) == [False, True, False, True, False, True]


def test_a_psum_tensor_allocated_first_in_the_body_starts_clean_each_pass():
    build = Build()
    a = tiles(build)
    with build.loop(4):
        acc = build.psum(4, 4)
        build.matmul(acc, a, a)
        with build.loop(2):
            build.matmul(acc, a, a)
    assert found(build) == []
    assert flags(build) == [False, True]


def test_dtype_of_the_mask_is_fixed_for_two_dimensional_free_patterns():
    build = Build()
    a, acc = tiles(build), build.psum(4, 8, dtype=float32)
    build.matmul(part(acc, columns=slice(0, 4)), a, a)
    wide = part(acc).replace(dims=((4, 2), (1, 4)))
    build.matmul(wide, a, part(a).replace(dims=((0, 2), (1, 4))))
    found(build)
    mask = flags(build)[1]
    assert mask.shape == (4, 8) and mask.dtype == np.uint8
    assert mask[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
