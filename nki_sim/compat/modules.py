"""Builds the module tree of the names that public kernels import."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import nki_sim.language
from nki_sim import targets
from nki_sim.compat.older import isa_module, language_module
from nki_sim.diagnostics.model import Diagnostic, NotImplementedYet
from nki_sim.kernel import Kernel
from nki_sim.language.owed import owed
from nki_sim.language.tensor import ndarray
from nki_sim.options import KernelOptions
from nki_sim.program import dtypes

TARGET_VARIABLE = "NEURON_PLATFORM_TARGET_OVERRIDE"


def target_from_environment() -> str:
    """The target the vendor's variable names; nki_sim's default when it is not set. Raises ValueError for another."""
    chosen = os.environ.get(TARGET_VARIABLE, "")
    if not chosen:
        return targets.DEFAULT
    known = targets.ALIASES.get(chosen, chosen)
    if known not in targets.NAMES:
        names = ", ".join([*targets.NAMES, *targets.ALIASES])
        raise ValueError(f"{TARGET_VARIABLE} is {chosen!r}; it may be {names}")
    return known


def _jit(dialect: str) -> Callable[..., Any]:
    def jit(fn: Any = None, **_: Any) -> Any:
        """Make a function a kernel. Other keywords of the vendor's decorator do not change results and are ignored."""
        if fn is None:
            return jit
        if isinstance(fn, Kernel):
            return fn
        return Kernel(fn, KernelOptions(target=target_from_environment(), dialect=dialect))

    return jit


def simulate(kernel: Any) -> Kernel:
    """The kernel as a callable on NumPy arrays; a plain function becomes a kernel first.

    The vendor's target variable, when it is set by now, decides once more.
    """
    if not isinstance(kernel, Kernel):
        return Kernel(kernel, KernelOptions(target=target_from_environment()))
    return kernel.with_options(target=target_from_environment()) if os.environ.get(TARGET_VARIABLE) else kernel


def _measured(name: str) -> Callable[..., Any]:
    """A decorator of the vendor's that measures on a device: the file loads, calling what it decorates says no."""

    def decorate(fn: Any = None, **_: Any) -> Any:
        if fn is None:
            return decorate

        def refuse(*_: Any, **__: Any) -> Any:
            raise NotImplementedYet(
                (
                    Diagnostic(
                        code="owed",
                        message=f"nki.{name} measures on a device, which nki_sim does not have",
                        fix="for simulated time: nki-sim profile FILE::KERNEL",
                        owner="simulator",
                    ),
                )
            )

        return refuse

    decorate.__name__ = name
    return decorate


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name, f"{name}, as nki_sim provides it.")
    module.__dict__.update(contents, __nki_sim__=True, __path__=[])
    return module


class _Parameter:
    """`tensor[128, 512]` and `tensor(...)` in annotations: accepted, not enforced."""

    def __getitem__(self, _: Any) -> _Parameter:
        return self

    def __call__(self, *_: Any, **__: Any) -> _Parameter:
        return self


def _collective(name: str) -> Callable[..., Any]:
    if name.startswith("_"):  # what import machinery and inspection look for
        raise AttributeError(name)
    return owed(name, "nki.collectives")


def _compiler(root: str) -> ModuleType:
    """Knobs of the compiler: those that change no result are accepted; placement by callback is owed."""
    placed = {name: _placement(root, name) for name in ("sbuf", "psum")}
    return _module(
        f"{root}.compiler",
        skip_middle_end_transformations=lambda function: function,
        enable_stack_allocator=lambda function=None, **_: function if function is not None else (lambda f: f),
        no_reorder=nki_sim.language.no_reorder,
        **placed,
    )


def _placement(root: str, space: str) -> ModuleType:
    room = f"nki.compiler.{space}"
    return _module(f"{root}.compiler.{space}", alloc=owed("alloc", room), mod_alloc=owed("mod_alloc", room))


def _tree(root: str, dialect: str) -> dict[str, ModuleType]:
    jit = _jit(dialect)
    older = dialect == "beta1"
    annotation = _Parameter()
    types = {str(d): d for d in dtypes.ALL}
    isa = isa_module(f"{root}.isa", with_removed=older)
    compiler = _compiler(root)
    rooms: dict[str, ModuleType] = {
        "language": language_module(f"{root}.language") if older else nki_sim.language,
        "isa": isa,
        "typing": _module(f"{root}.typing", tensor=annotation, mutable_tensor=annotation, mutable=annotation),
        "compiler": compiler,
        "collectives": _module(f"{root}.collectives", __getattr__=_collective),
        "tensor": _module(f"{root}.tensor", NkiTensor=ndarray),
        "dtype": _module(f"{root}.dtype", **types),
    }
    package = _module(
        root,
        jit=jit,
        trace=lambda function: function,
        simulate=simulate,
        simulate_kernel=lambda kernel, *args, **kwargs: simulate(kernel)(*args, **kwargs),
        baremetal=jit,
        benchmark=_measured("benchmark"),
        profile=_measured("profile"),
        **rooms,
    )
    return {
        root: package,
        **{f"{root}.{name}": module for name, module in rooms.items()},
        f"{root}.isa.constants": isa.constants,
        f"{root}.compiler.sbuf": compiler.sbuf,
        f"{root}.compiler.psum": compiler.psum,
    }


@cache
def build() -> dict[str, ModuleType]:
    """Every module by the name it is imported under. Built once; the same modules each time."""
    old = _tree("neuronxcc.nki", "beta1")
    return {
        **_tree("nki", "nki"),
        "neuronxcc": _module("neuronxcc", nki=old["neuronxcc.nki"]),
        **old,
        "torch_neuronx": _module("torch_neuronx", nki_jit=_jit("nki")),
        "jax_neuronx": _module("jax_neuronx", nki_call=owed("nki_call", "jax_neuronx")),
    }
