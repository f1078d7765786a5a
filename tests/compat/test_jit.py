"""nki.jit and nki.simulate: keywords, targets, dialects, and what goes in and comes out."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import DtypeError, NotImplementedYet, compat
from nki_sim.compat.modules import TARGET_VARIABLE
from nki_sim.kernel import Kernel

nki = compat.build()["nki"]
old_nki = compat.build()["neuronxcc.nki"]


@pytest.fixture(autouse=True)
def no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TARGET_VARIABLE, raising=False)


def generation(x):  # type: ignore[no-untyped-def]
    """Adds the generation the kernel is built for to every element."""
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.add(nl.load(x), float(int(nisa.get_nc_version()))))
    return out


ZEROS = np.zeros((2, 2), np.float32)


@pytest.mark.parametrize("keywords", [{}, {"mode": "torchxla"}, {"platform_target": "trn1", "debug_kernel": True}])
def test_keywords_of_jit_are_ignored(keywords: dict[str, Any]) -> None:
    made = nki.jit(**keywords)(generation) if keywords else nki.jit(generation)
    assert isinstance(made, Kernel) and made.options.dialect == "nki"
    np.testing.assert_array_equal(made(ZEROS), ZEROS + 3)


def test_dialects() -> None:
    assert old_nki.jit(generation).options.dialect == "beta1"
    assert compat.build()["torch_neuronx"].nki_jit(generation).options.dialect == "nki"
    assert old_nki.baremetal(save_neff_name="x.neff")(generation).options.dialect == "beta1"


def test_decorating_twice_is_decorating_once() -> None:
    once = nki.jit(generation)
    assert nki.jit(once) is once and old_nki.baremetal(once) is once


def test_only_functions_become_kernels() -> None:
    with pytest.raises(TypeError, match="kernel takes a Python function, not a int"):
        nki.jit(3)


@pytest.mark.parametrize(
    ("value", "target", "number"),
    [("trn1", "trn1", 2), ("inf2", "inf2", 2), ("gen2", "trn1", 2), ("gen3", "trn2", 3), ("trn3", "trn3", 4)],
)
def test_the_target_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, value: str, target: str, number: int
) -> None:
    before = nki.jit(generation)
    monkeypatch.setenv(TARGET_VARIABLE, value)
    made = nki.jit(generation)
    assert made.options.target == target
    np.testing.assert_array_equal(made(ZEROS), ZEROS + number)
    # simulate asks once more: scripts set the variable between the definition and the call.
    np.testing.assert_array_equal(nki.simulate(before)(ZEROS), ZEROS + number)
    np.testing.assert_array_equal(before(ZEROS), ZEROS + 3)


def test_a_target_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TARGET_VARIABLE, "trn9")
    with pytest.raises(ValueError, match=f"{TARGET_VARIABLE} is 'trn9'; it may be trn1, inf2, trn2, trn3, gen2"):
        nki.jit(generation)


def test_simulate_takes_kernels_functions_and_grids() -> None:
    made = nki.jit(generation)
    assert nki.simulate(made) is made
    np.testing.assert_array_equal(nki.simulate(generation)(ZEROS), ZEROS + 3)
    np.testing.assert_array_equal(nki.simulate(made[1])(ZEROS), ZEROS + 3)
    np.testing.assert_array_equal(nki.simulate(made)[1](ZEROS), ZEROS + 3)
    np.testing.assert_array_equal(old_nki.simulate_kernel(made, x=ZEROS), ZEROS + 3)
    with pytest.raises(NotImplementedYet, match=r"generation\[2\]"):
        nki.simulate(made)[2]


def with_keyword(dst, src):  # type: ignore[no-untyped-def]
    tile = nl.load(src)
    out = nl.ndarray(tile.shape, nl.float32, buffer=nl.sbuf)
    compat.build()["nki.isa"].tensor_copy(out, tile, dtype=nl.bfloat16)
    nl.store(dst, out)


def test_the_older_keyword_dtype_warns_when_it_disagrees() -> None:
    made = nki.jit(with_keyword)
    found = made.check(ZEROS.copy(), ZEROS)
    assert [(d.severity, d.code) for d in found] == [("warning", "dtype")]
    assert "dtype=bfloat16 has no effect, dst is float32" in found[0].message
    dst = np.full((2, 2), 7, np.float32)
    made(dst, ZEROS)
    np.testing.assert_array_equal(dst, ZEROS)


def doubled(x):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(nl.load(x), 2.0))
    return out


class FakeTorch:
    """What nki_sim uses of the torch module: dtypes that print as torch's do."""

    class dtype:  # noqa: N801
        def __init__(self, name: str, storage: Any) -> None:
            self.name = name
            self.storage = np.dtype(storage)

        def __repr__(self) -> str:
            return f"torch.{self.name}"

    float32 = dtype("float32", np.float32)
    float64 = dtype("float64", np.float64)
    bool = dtype("bool", np.bool_)
    int16 = dtype("int16", np.int16)
    uint8 = dtype("uint8", np.uint8)
    bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16)
    float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2)
    float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn)


class FakeTensor:
    """A torch tensor as far as nki_sim sees it: no NumPy while it requires grad, or for types NumPy lacks."""

    def __init__(self, values: Any, dtype: FakeTorch.dtype, requires_grad: bool = False) -> None:
        self._values = values.view(dtype.storage)
        self.dtype = dtype
        self.requires_grad = requires_grad

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._values.shape)

    def detach(self) -> FakeTensor:
        return FakeTensor(self._values, self.dtype)

    def view(self, dtype: FakeTorch.dtype) -> FakeTensor:
        return FakeTensor(self._values, dtype, self.requires_grad)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self._values.dtype.isbuiltin != 1:
            raise TypeError(f"Got unsupported ScalarType {self.dtype.name}")
        return self._values


@pytest.mark.parametrize("engine", ["reference", "jit"])
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float8_e5m2", "float8_e4m3fn", "int16"])
def test_torch_tensors_go_in_and_arrays_come_out(monkeypatch: pytest.MonkeyPatch, engine: str, name: str) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", FakeTorch)
    dtype = getattr(FakeTorch, name)
    values = np.arange(6).reshape(2, 3).astype(dtype.storage)
    made = nki.jit(doubled).with_options(engine=engine)
    for requires_grad in (False, True):
        result = made(FakeTensor(values, dtype, requires_grad))
        assert type(result) is np.ndarray and result.dtype == dtype.storage
        np.testing.assert_array_equal(result.astype(np.float32), 2 * values.astype(np.float32))


def negated(x):  # type: ignore[no-untyped-def]
    nl.store(x, nl.negative(nl.load(x)))


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_tensor_the_kernel_writes_is_written(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", FakeTorch)
    dtype = getattr(FakeTorch, name)
    values = np.arange(6).reshape(2, 3).astype(dtype.storage)
    assert nki.jit(negated)(FakeTensor(values, dtype)) is None
    np.testing.assert_array_equal(values.astype(np.float32), -np.arange(6).reshape(2, 3))


def test_a_tensor_of_a_type_nki_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", FakeTorch)
    with pytest.raises(DtypeError, match="argument x is float64"):
        nki.jit(doubled)(FakeTensor(np.ones((2, 3)), FakeTorch.float64))


def test_any_object_with_an_array_inside() -> None:
    class Boxed:
        dtype = "whatever"

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.ones((2, 3), np.float32)

    np.testing.assert_array_equal(nki.jit(doubled)(Boxed()), np.full((2, 3), 2, np.float32))
