"""The quick ways of a warm call give what the slow ones give: arguments by position, keys, results without a copy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.arguments import _by_position, bind, specialisation_key
from nki_sim.static_key import CodeKey


def plain(a, b, c=3, d="four"):  # type: ignore[no-untyped-def]
    """Two parameters with defaults, two without."""


def without_defaults(a, b):  # type: ignore[no-untyped-def]
    inner = a
    return inner


def with_more(a, *rest, key=1):  # type: ignore[no-untyped-def]
    """What a call by position does not settle alone."""


def keyword_only(a, *, key=1):  # type: ignore[no-untyped-def]
    """Neither here."""


@given(st.sampled_from([plain, without_defaults, with_more, keyword_only]), st.lists(st.integers(), max_size=6))
def test_positions_bind_as_the_signature_does(function: FunctionType, values: list[int]) -> None:
    quick = _by_position(function, tuple(values))
    try:
        bound = inspect.signature(function).bind(*values)
    except TypeError:
        assert quick is None
        return
    bound.apply_defaults()
    simple = function in (plain, without_defaults)
    assert (quick is not None) == simple
    if quick is not None:
        assert list(quick.items()) == list(bound.arguments.items())


def test_a_wrapped_function_is_bound_by_its_own_signature() -> None:
    def outer(*anything: Any) -> None: ...

    outer.__wrapped__ = plain  # type: ignore[attr-defined]
    assert isinstance(outer, FunctionType)
    assert _by_position(outer, (1, 2)) is None
    assert bind(outer, inspect.signature(outer), (1, 2), {}).values == {"a": 1, "b": 2, "c": 3, "d": "four"}


@given(
    st.lists(st.sampled_from([(2, 3), (3, 2), (6,)]), min_size=2, max_size=2),
    st.booleans(),
    st.sampled_from([1, 1.0, True]),
)
def test_keys_are_equal_for_what_specialises_alike_only(
    shapes: list[tuple[int, ...]], narrow: bool, value: Any
) -> None:
    def key(shape: tuple[int, ...], dtype: Any, static: Any) -> Any:
        arguments = bind(plain, inspect.signature(plain), (np.ones(shape, dtype), static), {})
        return specialisation_key(CodeKey(plain), arguments)

    one = key(shapes[0], np.float32, 1)
    other = key(shapes[1], np.float16 if narrow else np.float32, value)
    assert (one == other) == (shapes[0] == shapes[1] and not narrow and type(value) is int)
    assert one != other or hash(one) == hash(other)


@kernel
def parts(x):  # type: ignore[no-untyped-def]
    """The whole result, a part of it, and another shape of it."""
    out = nl.ndarray((4, 6), x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    nisa.dma_copy(dst=out, src=tile)
    return out, out[1:3, 2:5], out.reshape((2, 12))


@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]])
def test_results_are_the_views_that_were_returned(make: Callable[[Any], Any]) -> None:
    values = make(np.arange(24, dtype=np.float32).reshape(4, 6))
    whole, part, other = parts(values)
    assert np.array_equal(whole, values)
    assert np.array_equal(part, values[1:3, 2:5])
    assert np.array_equal(other, values.reshape(2, 12))
    again = parts(values + 1)[0]
    assert np.array_equal(whole, values) and np.array_equal(again, values + 1)


FACTOR = 2.0


def _scaled(x):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=FACTOR)
    nisa.dma_copy(dst=out, src=tile)
    return out


_scaled_kernel = kernel(_scaled)


def test_a_changed_global_is_a_new_specialisation(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = np.ones((4, 4), np.float32)
    assert (_scaled_kernel(ones) == 2.0).all()
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert (_scaled_kernel(ones) == 3.0).all()
