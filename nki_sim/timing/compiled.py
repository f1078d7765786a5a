"""Compiled: the code of the modules that are in the part of Python which timing/native compiles, and when it is used.

Compiled they are faster (`python -m benchmarks.bench_rates` prints both rates), but LLVM and the code have to be loaded
first. So a process begins with Python, and goes over when it has spent as long on it as the loading takes: short runs
never wait, long ones lose little.
"""

from __future__ import annotations

import ctypes
import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from nki_sim.timing import charges, clock, dependences, holders, pool, ports, queues, records, reuse, running, waits

LOAD_INSTANCES = 40_000
"""Instances that Python goes through while LLVM and the code are loaded."""
LOAD_CODE_INSTANCES = 10_000
"""The same where LLVM is loaded already."""

_MODULES: tuple[ModuleType, ...] = (
    records, holders, waits, reuse, dependences, pool, clock, charges, ports, queues, running,
)  # fmt: skip
# What of them is called from outside, with the number of arguments, the context among them.
_ENTRIES = {"begin": 10, "describe": 6, "follow": 4, "unload": 3, "Run.go": 2}


@dataclass(slots=True)
class _Meter:
    """How many instances Python has gone through in this process."""

    interpreted: int = 0

    def is_over(self, count: int) -> bool:
        """Whether `count` more are to be left to compiled code."""
        if code.cache_info().currsize:
            return True
        self.interpreted += count
        has_llvm = "nki_sim.engines.jit.compile" in sys.modules
        return self.interpreted >= (LOAD_CODE_INSTANCES if has_llvm else LOAD_INSTANCES)


@lru_cache(maxsize=1)
def meter() -> _Meter:
    return _Meter()


@dataclass(frozen=True, slots=True)
class Code:
    """Entries by name; `library` is what they live in."""

    entries: Mapping[str, Callable[..., int]]
    library: object


@lru_cache(maxsize=1)
def code() -> Code:
    """Loaded, and compiled if this user's cache does not have it."""
    from nki_sim.timing.native import kinds, translate
    from nki_sim.timing.native.link import load

    source = "".join(inspect.getsource(module) for module in (*_MODULES, kinds, translate))
    addresses, library = load(functions(), source)
    word = ctypes.c_int64
    entries = {name: ctypes.CFUNCTYPE(word, *[word] * count)(addresses[name]) for name, count in _ENTRIES.items()}
    return Code(entries, library)


def functions() -> list[Callable[..., Any]]:
    """All that is compiled: functions without those that take what the rest of the program makes, and methods."""
    found: list[Callable[..., Any]] = []
    for module in _MODULES:
        own = [one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__]
        found += [one for one in own if inspect.isfunction(one) and one.__name__ not in _FOR_PYTHON]
        for made in own:
            if dataclasses.is_dataclass(made):
                found += [one for name, one in vars(made).items() if inspect.isfunction(one) and name[0] != "_"]
    return found


_FOR_PYTHON = frozenset({"clock_gate", "charge_of", "rows_of", "shared"})
