"""A specialisation is used again only when building it again would give the same program."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

X = np.ones((4, 6), np.float32)
SETTINGS = types.ModuleType("settings_of_a_user")
SETTINGS.factor = 2.0  # type: ignore[attr-defined]
TABLE = np.arange(4, dtype=np.float32)


class Constants(nl.NKIObject):
    factor = 2.0


class Scale(nl.NKIObject):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, tile: Any) -> None:
        nisa.tensor_scalar(tile, tile, nl.multiply, self.factor)


@kernel
def applies(x, f):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    f(tile)
    nl.store(out, tile)
    return out


def times(factor: float) -> Any:
    def apply(tile: Any) -> None:
        nisa.tensor_scalar(tile, tile, nl.multiply, factor)

    return apply


def test_functions_that_come_and_go_are_told_apart() -> None:
    for i in range(40):
        assert applies(X, times(float(i)))[0, 0] == i


def test_objects_that_are_called_are_known_by_their_fields() -> None:
    for i in range(40):
        assert applies(X, Scale(float(i)))[0, 0] == i
    scale = Scale(3.0)
    assert applies(X, scale)[0, 0] == 3
    scale.factor = 4.0
    assert applies(X, scale)[0, 0] == 4


@kernel
def by_module(x):  # type: ignore[no-untyped-def]
    return _scaled(x, SETTINGS.factor)


@kernel
def by_class(x):  # type: ignore[no-untyped-def]
    return _scaled(x, Constants.factor)


@kernel
def by_array(x):  # type: ignore[no-untyped-def]
    return _scaled(x, float(TABLE[2]))


@kernel
def scaled(x, factor):  # type: ignore[no-untyped-def]
    return _scaled(x, factor)


def _scaled(x: Any, factor: float) -> Any:
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    nisa.tensor_scalar(tile, tile, nl.multiply, factor)
    nl.store(out, tile)
    return out


def test_what_the_code_reads_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (by_module(X)[0, 0], by_class(X)[0, 0], by_array(X)[0, 0]) == (2, 2, 2)
    monkeypatch.setattr(SETTINGS, "factor", 5.0)
    monkeypatch.setattr(Constants, "factor", 6.0)
    TABLE[2] = 7
    assert (by_module(X)[0, 0], by_class(X)[0, 0], by_array(X)[0, 0]) == (5, 6, 7)
    TABLE[2] = 2
    monkeypatch.setitem(globals(), "_scaled", lambda x, factor: x)
    assert by_class(X)[0, 0] == 1


def test_zeros_of_both_signs_are_two_values() -> None:
    assert not np.signbit(scaled(X, 0.0)).any()
    assert np.signbit(scaled(X, -0.0)).all()


def test_a_kernel_that_refers_to_itself_has_a_key() -> None:
    from nki_sim.arguments import specialisation_key
    from nki_sim.static_key import CodeKey

    arguments = scaled._bind((X, 2.0), {})
    first, second = (specialisation_key(CodeKey(scaled.function), arguments) for _ in range(2))
    assert first is not None and first == second and hash(first) == hash(second)


def test_a_closure_that_is_given_another_value_is_another_kernel() -> None:
    factor = 2.0

    @kernel
    def by_closure(x):  # type: ignore[no-untyped-def]
        return _scaled(x, factor)

    assert by_closure(X)[0, 0] == 2
    factor = 3.0
    assert by_closure(X)[0, 0] == 3


def test_a_helper_with_other_defaults_is_another_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    def helper(x: Any, factor: float = 2.0) -> Any:
        return _scaled(x, factor)

    @kernel
    def by_default(x):  # type: ignore[no-untyped-def]
        return helper(x)

    assert by_default(X)[0, 0] == 2
    monkeypatch.setattr(helper, "__defaults__", (4.0,))
    assert by_default(X)[0, 0] == 4


def test_the_fields_of_an_object_the_code_reads_are_part_of_the_key() -> None:
    scale = Scale(2.0)

    @kernel
    def by_object(x):  # type: ignore[no-untyped-def]
        return _scaled(x, scale.factor)

    assert by_object(X)[0, 0] == 2
    scale.factor = 5.0
    assert by_object(X)[0, 0] == 5


def test_a_dictionary_the_code_reads_is_looked_at_every_time() -> None:
    table = {"factor": 2.0}

    @kernel
    def by_table(x):  # type: ignore[no-untyped-def]
        return _scaled(x, table["factor"])

    assert by_table(X)[0, 0] == 2
    table["factor"] = 6.0
    assert by_table(X)[0, 0] == 6
