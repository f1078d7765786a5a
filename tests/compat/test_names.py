"""The names public kernels import: where they lead, and what those that lead nowhere say."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nki_sim.isa
import nki_sim.language
from nki_sim import KernelError, NotImplementedYet, compat
from nki_sim.compat import modules, removed
from nki_sim.isa.owed import OWED
from nki_sim.kernel import Kernel

MODULES = sorted(compat.build())


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    compat.install()
    yield
    compat.uninstall()


def found(name: str) -> Any:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_under_its_name(name: str) -> None:
    module = found(name)
    assert isinstance(module, ModuleType) and sys.modules[name] is module
    parent, _, last = name.rpartition(".")
    if parent:
        assert getattr(found(parent), last) is module


def test_todays_language_is_nki_sim_itself() -> None:
    assert found("nki.language") is nki_sim.language
    for name in nki_sim.language.__all__:
        assert getattr(found("neuronxcc.nki.language"), name) is getattr(nki_sim.language, name)


@pytest.mark.parametrize("root", ["nki", "neuronxcc.nki"])
def test_isa_has_every_name(root: str) -> None:
    isa = found(f"{root}.isa")
    for name in nki_sim.isa.__all__:
        assert hasattr(isa, name)
    assert inspect.unwrap(isa.tensor_copy) is nki_sim.isa.tensor_copy
    assert found(f"{root}.isa.constants").oob_mode is nki_sim.isa.oob_mode
    assert issubclass(isa.NkiValidationError, KernelError)


@pytest.mark.parametrize("name", sorted(removed.LANGUAGE))
def test_a_removed_name_of_nl_can_be_imported_and_says_so_when_used(name: str) -> None:
    old = getattr(found("neuronxcc.nki.language"), name)
    assert repr(old) == f"<nl.{name}, which nki_sim does not have>"
    assert not hasattr(old, "__wrapped__")
    for use in (lambda: old(128), lambda: old[0:128, 0:512], lambda: old.min):
        with pytest.raises(NotImplementedYet, match=f"nl.{name} belongs to an earlier NKI") as caught:
            use()
        assert caught.value.diagnostics[0].fix == removed.LANGUAGE[name]
    assert not hasattr(found("nki.language"), name)


def test_removed_names_of_nisa() -> None:
    for name in removed.ISA:
        with pytest.raises(NotImplementedYet, match=f"nisa.{name} belongs to an earlier NKI"):
            getattr(found("neuronxcc.nki.isa"), name)(dst=None, src=None)
        assert not hasattr(found("nki.isa"), name)


def test_no_removed_name_is_one_that_nki_sim_has() -> None:
    assert not set(removed.LANGUAGE) & set(nki_sim.language.__all__)
    assert not set(removed.ISA) & set(nki_sim.isa.__all__)


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    for module in ("nki.language", "nki.isa", "neuronxcc.nki.language", "neuronxcc.nki.isa", "nki"):
        with pytest.raises(AttributeError):
            found(module).no_such_name  # noqa: B018


@pytest.mark.parametrize("name", sorted(OWED))
def test_owed_instructions_say_so(name: str) -> None:
    function = getattr(nki_sim.isa, name)
    assert function.__name__ == name and OWED[name] in function.__doc__
    with pytest.raises(NotImplementedYet, match=f"nisa.{name} ") as caught:
        function(1, engine=None)
    assert caught.value.diagnostics[0].owner == "simulator"


def test_an_owed_instruction_is_told_at_its_line() -> None:
    def kernel(x):  # type: ignore[no-untyped-def]
        nki_sim.isa.max8(dst=x, src=x)

    (found_,) = Kernel(kernel, nki_sim.KernelOptions()).check(np.ones((4, 8), np.float32))
    assert found_.code == "owed" and found_.span is not None
    assert found_.span.text.strip() == "nki_sim.isa.max8(dst=x, src=x)"


def test_collectives_and_placement_are_owed() -> None:
    for use in (
        found("nki.collectives").all_reduce,
        found("neuronxcc.nki.compiler.sbuf").mod_alloc,
        found("nki").compiler.psum.alloc,
        found("jax_neuronx").nki_call,
    ):
        with pytest.raises(NotImplementedYet):
            use(1, a=2)
    assert not hasattr(found("nki.collectives"), "__wrapped__")


def test_compiler_knobs_and_annotations_change_nothing() -> None:
    nki = found("nki")

    def function(x: Any) -> Any:
        return x

    assert nki.compiler.skip_middle_end_transformations(function) is function
    assert nki.compiler.enable_stack_allocator(function) is function
    assert nki.compiler.enable_stack_allocator(log_level=1)(function) is function
    assert nki.trace(function) is function
    with nki.compiler.no_reorder():
        pass
    kinds = nki.typing
    assert kinds.tensor[128, 512] is kinds.tensor and kinds.mutable_tensor() is kinds.mutable_tensor


def test_dtypes_by_name() -> None:
    assert found("nki.dtype").bfloat16 is nki_sim.language.bfloat16


@pytest.mark.parametrize("name", ["benchmark", "profile"])
def test_decorators_that_measure_leave_the_file_importable(name: str) -> None:
    decorate = getattr(found("neuronxcc.nki"), name)
    for decorated in (decorate(lambda x: x), decorate(warmup=5, iters=10)(lambda x: x)):
        with pytest.raises(NotImplementedYet, match=rf"nki\.{name} measures on a device"):
            decorated(1)


def test_names_with_an_underscore_are_not_collectives() -> None:
    with pytest.raises(AttributeError):
        modules._collective("_private")
