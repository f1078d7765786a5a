"""Loop plans against brute force: same elements, same order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.engines.jit.layout import Dims, row_major
from nki_sim.engines.jit.loops import LANES, Level, innermost_last, plan

COUNTS = st.lists(st.sampled_from([1, 2, 3, 4, 6, 8]), min_size=0, max_size=4)
STRIDES = st.sampled_from([0, 1, 2, 4, 12, 48, -4])


def places(dims: Dims) -> list[int]:
    """Offsets of all elements in row-major order."""
    return [
        sum(stride * i for (stride, _), i in zip(dims, index, strict=True))
        for index in itertools.product(*(range(count) for _, count in dims))
    ]


def walked(levels: tuple[Level, ...], operand: int) -> list[int]:
    return places(tuple((level.strides[operand], level.count) for level in levels))


@st.composite
def dims_of(draw: st.DrawFn, counts: list[int]) -> Dims:
    return tuple((draw(STRIDES), count) for count in counts)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_plan_visits_every_operand_in_row_major_order(data: st.DataObject) -> None:
    counts = data.draw(COUNTS)
    split = [factor for count in counts for factor in ((2, count // 2) if count % 2 == 0 else (count,))]
    operands = [
        data.draw(dims_of(counts)),
        data.draw(dims_of(split)),
        row_major((len(places(row_major(tuple(counts), 1))),), 2),
    ]
    levels = plan(operands)
    assert levels is not None
    for number, dims in enumerate(operands):
        assert walked(levels, number) == places(dims)


@st.composite
def factorings(draw: st.DrawFn, total: int) -> list[int]:
    """Counts with the product `total`."""
    counts: list[int] = []
    while total > 1:
        counts.append(draw(st.sampled_from([n for n in range(2, total + 1) if total % n == 0])))
        total //= counts[-1]
    return counts


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_plan_only_where_counts_do_not_divide(data: st.DataObject) -> None:
    total = data.draw(st.sampled_from([6, 12, 24, 36]))
    first, second = data.draw(factorings(total)), data.draw(factorings(total))
    one, other = data.draw(dims_of(first)), data.draw(dims_of(second))
    levels = plan([one, other])
    if levels is None:
        inner = [list(itertools.accumulate(reversed(c), lambda x, y: x * y)) for c in (first, second)]
        assert any(a % b and b % a for a in inner[0] for b in inner[1])
    else:
        assert walked(levels, 0) == places(one)
        assert walked(levels, 1) == places(other)


def test_contiguous_operands_need_one_level() -> None:
    assert plan([row_major((4, 8, 16), 4), row_major((512,), 2)]) == (Level(512, (4, 2)),)


def test_two_by_three_does_not_go_with_three_by_two() -> None:
    assert plan([((100, 2), (10, 3)), ((100, 3), (10, 2))]) is None


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_reordering_keeps_the_elements_paired(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.sampled_from([2, 3, 16, 17]), min_size=1, max_size=3))
    operands = [data.draw(dims_of(counts)) for _ in range(2)]
    levels = plan(operands)
    assert levels is not None
    other = innermost_last(levels, [4, 4])
    pairs = [sorted(zip(walked(one, 0), walked(one, 1), strict=True)) for one in (levels, other)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize(
    ("levels", "inner"),
    [
        ((Level(128, (512, 2)), Level(2, (2, 256))), 128),
        ((Level(2, (512, 512)), Level(LANES, (4, 4))), LANES),
        ((Level(128, (2048, 2048)), Level(1000, (4, 4))), 1000),
    ],
)
def test_the_level_worth_vectorising_comes_last(levels: tuple[Level, ...], inner: int) -> None:
    assert innermost_last(levels, [4, 4])[-1].count == inner
