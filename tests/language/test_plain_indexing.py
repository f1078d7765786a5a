"""The quick way of indexing against the general one: the same view, or the same refusal."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim import NkiSimError
from nki_sim.language import indexing
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import float32
from tests.support.ir import Build
from tests.support.recording import recording

BOUND = st.none() | st.integers(-2, 5)
KEY = st.one_of(
    st.integers(-5, 5),
    st.builds(slice, BOUND, BOUND, st.sampled_from([None, None, 1, 2])),
    st.sampled_from([..., True, slice(None)]),
)
DIM = st.tuples(st.integers(-3, 6), st.integers(1, 4))


@st.composite
def patterns(draw: st.DrawFn) -> AccessPattern:
    """Any strides: as views have after broadcasting, reversing and permuting."""
    tensor = Build().tensor(draw(st.sampled_from(["sbuf", "hbm"])), (4, 8), float32)
    dims = tuple(draw(st.lists(DIM, min_size=1, max_size=3)))
    partition = None if tensor.space == "hbm" else (draw(st.integers(0, 2)), 1, draw(st.integers(1, 4)))
    return AccessPattern(tensor, float32, partition, draw(st.integers(0, 5)), dims)


def indexed(pattern: AccessPattern, keys: tuple[Any, ...]) -> AccessPattern | str:
    with recording():
        try:
            return indexing.index(pattern, keys)
        except NkiSimError as error:
            return error.diagnostics[0].message


@settings(max_examples=300)
@given(patterns(), st.lists(KEY, max_size=5).map(tuple))
def test_quick_and_general_indexing_agree(pattern: AccessPattern, keys: tuple[Any, ...]) -> None:
    quick = indexed(pattern, keys)
    with patch.object(indexing, "_plain", return_value=None):
        assert indexed(pattern, keys) == quick
