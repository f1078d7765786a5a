"""kernel: from a Python function to something that can be checked, run and timed.

A call travels: arguments -> specialisation (cached) -> checks -> engine -> results. Each stage lives in its own room;
this file only connects them.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, overload

from nki_sim import targets
from nki_sim.arguments import Arguments, bind, specialisation_key
from nki_sim.diagnostics.model import Diagnostic, KernelError, NkiSimError, group, raise_errors
from nki_sim.frontend.recorder import active
from nki_sim.options import KernelOptions
from nki_sim.specialisation import Specialisation
from nki_sim.static_key import CodeKey

if TYPE_CHECKING:
    from nki_sim.profiler.profile import Profile
    from nki_sim.program.ir import Program

_CACHED_SPECIALISATIONS = 256


class Kernel:
    """A kernel: call it with NumPy arrays to run it.

    k(*args)             results, an array or a tuple of them
    k.check(*args)       findings
    k.program(*args)     the specialised program; str() is its assembly
    k.profile(*args)     simulated time
    k.with_options(...)  a new kernel that differs in some KernelOptions

    Inputs are not modified unless the kernel writes them. Inside another kernel it is a plain function.
    Non-goals: no gradients, no device arrays; one core, a launch grid of 1.
    """

    def __init__(self, function: Callable[..., Any], options: KernelOptions) -> None:
        if not isinstance(function, FunctionType):
            raise TypeError(f"kernel takes a Python function, not a {type(function).__name__}")
        self.function = function
        self.options = options
        self.signature = inspect.signature(function)
        self._code_key = CodeKey(function)
        self._cache: dict[Any, Specialisation] = {}
        functools.update_wrapper(self, function)

    @property
    def name(self) -> str:
        return self.function.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if active():
            return self.function(*args, **kwargs)
        arguments = self._bind(args, kwargs)
        found = self._specialise(arguments)
        raise_errors(found.diagnostics)
        return found.run(arguments, _print_line)

    def check(self, *args: Any, **kwargs: Any) -> list[Diagnostic]:
        """All findings for these arguments, duplicates merged. Never raises on account of the kernel."""
        try:
            return group(self._specialise(self._bind(args, kwargs)).diagnostics)
        except NkiSimError as error:
            return list(error.diagnostics)
        except Exception as error:  # the kernel's own code may raise anything
            return [_own_exception(self.function, error)]

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """The specialised program, after the checks. Raises the checks' errors."""
        found = self._specialise(self._bind(args, kwargs))
        raise_errors(found.diagnostics)
        return found.program

    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """Simulated time of one call on the target. Runs the kernel only when a loop bound depends on data."""
        arguments = self._bind(args, kwargs)
        found = self._specialise(arguments)
        raise_errors(found.diagnostics)
        return found.profile(arguments)

    def with_options(self, **changes: Any) -> Kernel:
        """A new kernel with some KernelOptions changed: target, engine, precise, schedule, memory, dialect."""
        return Kernel(self.function, replace(self.options, **changes))

    def __getitem__(self, grid: Any) -> Kernel:
        """``kernel[1]``: a launch grid of one program, which is what a plain call has."""
        sizes = grid if isinstance(grid, tuple) else (grid,)
        if any(size != 1 for size in sizes):
            _refuse_grid(self.function, grid)
        return self

    def __repr__(self) -> str:
        return f"<kernel {self.name} for {self.options.target}>"

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        return bind(self.function, self.signature, args, kwargs)

    def _specialise(self, arguments: Arguments) -> Specialisation:
        key = specialisation_key(self._code_key, arguments)
        found = self._cache.get(key) if key is not None else None
        if found is None:
            found = Specialisation.build(self.function, arguments, self.options)
            if key is not None:
                if len(self._cache) >= _CACHED_SPECIALISATIONS:
                    self._cache.pop(next(iter(self._cache)))
                self._cache[key] = found
        return found


@overload
def kernel(function: Callable[..., Any], /) -> Kernel: ...
@overload
def kernel(function: None = None, /, **options: Any) -> Callable[[Callable[..., Any]], Kernel]: ...
def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a kernel: ``@kernel``, ``@kernel(target="trn1", engine="reference", ...)`` or ``kernel(fn)``."""
    chosen = KernelOptions(**options)
    if function is None:
        return lambda wrapped: Kernel(wrapped, chosen)
    return Kernel(function, chosen)


def _print_line(text: str) -> None:
    sys.stdout.write(text + "\n")


def _own_exception(function: FunctionType, error: Exception) -> Diagnostic:
    from nki_sim.frontend.misspelt import fix_of
    from nki_sim.frontend.trouble import spans_of_traceback

    return Diagnostic(
        code="kernel-exception",
        message=f"{type(error).__name__} while the kernel was built: {error}",
        spans=spans_of_traceback(error, function.__code__),
        fix=fix_of(error),
    )


def _refuse_grid(function: FunctionType, grid: Any) -> NoReturn:
    from nki_sim.language.failure import fail

    fail(
        "owed",
        f"{function.__name__}[{grid!r}]: nki_sim runs one program on one core; larger grids are owed",
        fix=f"launch {function.__name__}[1]",
        owner="simulator",
    )


__all__ = ["Kernel", "KernelError", "KernelOptions", "kernel", "targets"]
