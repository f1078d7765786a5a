"""Undefined bytes whose way to the caller depends on data are found while running, on both engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import UninitialisedError, kernel

ENGINES = ["reference", "jit"]
X = np.arange(32, dtype=np.float32).reshape(4, 8) + 1


@kernel
def predicated(x, mask, start=None):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, x.dtype)
    if start is not None:
        nisa.memset(dst=tile, value=start)
    nisa.tensor_copy_predicated(dst=tile, src=nl.load(x), predicate=nl.load(mask))
    nl.store(out, tile)
    return out


@kernel
def gathered(x, rows):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, x.dtype)
    index = nl.load(rows)
    source = x.ap([[x.shape[1], x.shape[0]], [1, x.shape[1]]], vector_offset=index, indirect_dim=0)
    nisa.dma_copy(dst=tile, src=source, oob_mode=nisa.oob_mode.skip)
    nl.store(out, tile)
    return out


@kernel
def scattered(x, rows):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    index = nl.load(rows)
    target = out.ap([[x.shape[1], x.shape[0]], [1, x.shape[1]]], vector_offset=index, indirect_dim=0)
    nisa.dma_copy(dst=target, src=tile)
    return out


@kernel
def filled_by_a_loop(x, count):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    copy = nl.ndarray(x.shape, x.dtype)
    register = nisa.register_alloc(0)
    nisa.register_load(register, nl.load(count))
    for i in nl.dynamic_range(register):
        nisa.tensor_copy(dst=copy[:, i], src=tile[:, i])
    nl.store(out, copy)
    return out


@kernel
def stored_in_a_loop(x, count):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    register = nisa.register_alloc(0)
    nisa.register_load(register, nl.load(count))
    for _ in nl.dynamic_range(register):
        nl.store(out, tile)
    return out


def column(*values: int) -> Any:
    return np.array(values, np.int32).reshape(-1, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("target", "good", "bad"),
    [
        (predicated, np.ones((4, 8), np.uint8), (np.arange(32).reshape(4, 8) % 5 > 0).astype(np.uint8)),
        (gathered, column(0, 1, 2, 3), column(0, 1, 99, 3)),
        (scattered, column(0, 1, 2, 3), column(0, 1, 1, 3)),
        (filled_by_a_loop, column(8), column(7)),
        (stored_in_a_loop, column(2), column(0)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_data_decide_and_the_run_tells(engine: str, target: Any, good: Any, bad: Any) -> None:
    chosen = target.with_options(engine=engine)
    assert not [d for d in chosen.check(X, bad) if d.severity == "error"]
    np.testing.assert_array_equal(chosen(X, good), X)
    with pytest.raises(UninitialisedError, match="undefined bytes reached") as caught:
        chosen(X, bad)
    assert caught.value.diagnostics[0].span is not None
    np.testing.assert_array_equal(chosen(X, good), X)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tile_that_was_filled_first_needs_no_second_run(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import nki_sim.specialisation

    compared = []
    run = nki_sim.specialisation.run_compared
    monkeypatch.setattr(nki_sim.specialisation, "run_compared", lambda *a: compared.append(1) or run(*a))
    mask = (X > 9).astype(np.uint8)
    result = predicated.with_options(engine=engine)(X, mask, -1.0)
    np.testing.assert_array_equal(result, np.where(X > 9, X, np.float32(-1)))
    assert not compared
    predicated.with_options(engine=engine)(X, np.ones_like(mask))
    assert compared


def test_an_argument_is_written_once_although_the_kernel_runs_twice() -> None:
    @kernel
    def adds_twice(x, count):  # type: ignore[no-untyped-def]
        register = nisa.register_alloc(0)
        nisa.register_load(register, nl.load(count))
        for _ in nl.dynamic_range(register):
            tile = nl.load(x)
            nisa.tensor_scalar(dst=tile, data=tile, op0=nl.add, operand0=1.0)
            nl.store(x, tile)

    for layout in (X.copy(), np.asfortranarray(X)):
        adds_twice(layout, column(2))
        np.testing.assert_array_equal(layout, X + 2)
