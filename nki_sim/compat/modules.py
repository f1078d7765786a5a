"""Builds the module tree of the names that public kernels import."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import nki_sim.language
from nki_sim import targets
from nki_sim.compat.older import isa_module
from nki_sim.kernel import Kernel
from nki_sim.language.owed import owed
from nki_sim.language.tensor import ndarray
from nki_sim.options import KernelOptions
from nki_sim.program import dtypes

TARGET_VARIABLE = "NEURON_PLATFORM_TARGET_OVERRIDE"


def target_from_environment() -> str:
    """The target the vendor's variable names; nki_sim's default when it is not set."""
    return targets.ALIASES.get(os.environ.get(TARGET_VARIABLE, ""), os.environ.get(TARGET_VARIABLE, targets.DEFAULT))


def _jit(dialect: str) -> Callable[..., Any]:
    def jit(fn: Callable[..., Any] | None = None, **_: Any) -> Any:
        """Make a function a kernel. Other keywords of the vendor's decorator do not change results and are ignored."""
        if fn is None:
            return jit
        return Kernel(fn, KernelOptions(target=target_from_environment(), dialect=dialect))

    return jit


def simulate(kernel: Any) -> Kernel:
    """The kernel as a callable on NumPy arrays; a plain function becomes a kernel first."""
    return kernel if isinstance(kernel, Kernel) else Kernel(kernel, KernelOptions(target=target_from_environment()))


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


def _tree(root: str, dialect: str) -> dict[str, ModuleType]:
    jit = _jit(dialect)
    annotation = _Parameter()
    typing = _module(f"{root}.typing", tensor=annotation, mutable_tensor=annotation, mutable=annotation)
    compiler = _module(
        f"{root}.compiler",
        skip_middle_end_transformations=lambda function: function,
        enable_stack_allocator=lambda function=None, **_: function if function is not None else (lambda f: f),
        no_reorder=nki_sim.language.no_reorder,
    )
    collectives = _module(f"{root}.collectives", __getattr__=lambda name: owed(name, "nki.collectives"))
    isa = isa_module(f"{root}.isa")
    tensor = _module(f"{root}.tensor", NkiTensor=ndarray)
    types = _module(f"{root}.dtype", **{str(d): d for d in dtypes.ALL})
    package = _module(
        root,
        jit=jit,
        simulate=simulate,
        simulate_kernel=lambda kernel, *args, **kwargs: simulate(kernel)(*args, **kwargs),
        language=nki_sim.language,
        isa=isa,
        typing=typing,
        compiler=compiler,
        collectives=collectives,
        tensor=tensor,
        dtype=types,
        benchmark=owed("benchmark", "nki"),
        profile=owed("profile", "nki"),
        baremetal=owed("baremetal", "nki"),
    )
    return {
        root: package,
        f"{root}.language": nki_sim.language,
        f"{root}.isa": isa,
        f"{root}.typing": typing,
        f"{root}.compiler": compiler,
        f"{root}.collectives": collectives,
        f"{root}.tensor": tensor,
        f"{root}.dtype": types,
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
    }
