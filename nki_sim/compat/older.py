"""Spellings of earlier NKI releases that published kernels still use, on top of today's nki_sim.

`nisa.tensor_copy(..., dtype=...)` (0.2; the keyword went in 0.3): the destination's own dtype decides (assumed: no
document of that release is left to say so), so a `dtype` that disagrees changes nothing and is a warning.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import nki_sim.isa
import nki_sim.language
from nki_sim.compat import removed
from nki_sim.diagnostics.model import KernelError
from nki_sim.frontend.recorder import current
from nki_sim.language.registers import VirtualRegister
from nki_sim.program.dtypes import dtype_of

_TOOK_DTYPE = ("tensor_copy", "tensor_scalar", "tensor_tensor", "scalar_tensor_tensor", "activation", "reciprocal")


def isa_module(name: str, *, with_removed: bool) -> ModuleType:
    """nki_sim.isa under another name: the older keywords are accepted; of removed names, those that use it are told."""
    module = _like(nki_sim.isa, name, removed.ISA if with_removed else {}, "nisa")
    for function in _TOOK_DTYPE:
        setattr(module, function, _with_dtype(getattr(nki_sim.isa, function)))
    module.__dict__.update(
        constants=_like(nki_sim.isa.constants, f"{name}.constants", {}, ""),
        NkiValidationError=KernelError,
        VirtualRegister=VirtualRegister,
        __path__=[],
    )
    return module


def language_module(name: str) -> ModuleType:
    """nki_sim.language under another name, with the removed names."""
    return _like(nki_sim.language, name, removed.LANGUAGE, "nl")


def _like(original: ModuleType, name: str, gone: Mapping[str, str], room: str) -> ModuleType:
    module = ModuleType(name, original.__doc__)
    for key, value in vars(original).items():
        if not key.startswith("__") or key == "__all__":
            module.__dict__[key] = value
    for key, instead in gone.items():
        module.__dict__.setdefault(key, removed.Removed(f"{room}.{key}", instead))
    module.__dict__["__nki_sim__"] = True
    return module


def _with_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        dst = kwargs.get("dst", args[0] if args else None)
        if dtype is not None and dst is not None and dtype_of(dtype) != dst.dtype:
            current().complain(
                "dtype",
                f"{function.__name__}: dtype={dtype_of(dtype)} has no effect, dst is {dst.dtype}",
                severity="warning",
                facts=("the destination's dtype decides; the keyword dtype= went in NKI 0.3",),
                fix="leave out dtype=",
            )
        return function(*args, **kwargs)

    return wrapped
