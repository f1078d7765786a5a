"""Keys for what a specialisation depends on besides shapes: static arguments, and what the kernel's code reads.

A key is hashable, and equal keys mean that building the kernel again would give the same program. It holds on to the
objects it knows by identity, so that an identity is never used twice. Functions are known by what they read: code,
defaults, closure, globals, attributes of the user's modules and classes.
"""

from __future__ import annotations

import hashlib
import math
import sys
from enum import Enum
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from nki_sim.program.dtypes import DType

_LIBRARIES = frozenset(sys.stdlib_module_names) | {"nki_sim", "numpy", "ml_dtypes", "torch", "jax"}
_PLAIN = (str, bytes, DType, Enum, np.generic, np.dtype, slice, type(Ellipsis), complex)
_names: WeakKeyDictionary[FunctionType, tuple[str, ...]] = WeakKeyDictionary()


class Unkeyed(Exception):
    """The value has no key: whoever depends on it must be built afresh each time."""


class _Same:
    """Equal to itself alone, and keeps it alive."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class KeyWalk:
    """One key in the making; objects met again are not walked again, so cycles end."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def of(self, value: Any) -> Any:
        """The key of a value. Raises Unkeyed."""
        kind = type(value)
        if kind is int or kind is bool or kind is str or value is None:
            return (kind, value)
        if kind is float:
            return (kind, value, math.copysign(1.0, value))
        if kind is FunctionType:
            return self.function(value)
        if isinstance(value, ModuleType):
            return _Same(value)
        if isinstance(value, np.ndarray):
            return _array(value)
        if isinstance(value, _PLAIN):
            return (kind, value)
        if isinstance(value, BuiltinFunctionType):
            return _Same(value)
        return self._composite(kind, value)

    def _composite(self, kind: type, value: Any) -> Any:
        again = self._again(value)
        if again is not None:
            return again
        if isinstance(value, (list, tuple)):
            return (kind, tuple([self.of(one) for one in value]))
        if isinstance(value, dict):
            return (kind, tuple([(self.of(name), self.of(one)) for name, one in value.items()]))
        if isinstance(value, (set, frozenset)):
            return (kind, frozenset(self.of(one) for one in value))
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, MethodType):
            return (kind, self.of(value.__self__), self.of(value.__func__))
        inner = getattr(value, "function", None)
        if type(inner) is FunctionType and kind.__module__ == "nki_sim.kernel":
            return (kind, self.function(inner))  # a kernel inside a kernel is a plain function
        if _library(kind.__module__) and callable(value):
            return _Same(value)
        fields = getattr(value, "__dict__", None)
        if fields is None:
            raise Unkeyed(kind.__name__)
        return (self.of(kind), self.of(fields))

    def function(self, function: FunctionType) -> Any:
        """The key of a function: all that its code can read."""
        if _library(function.__module__):
            return _Same(function)
        again = self._again(function)
        if again is not None:
            return again
        key: list[Any] = [_Same(function.__code__)]
        if function.__defaults__:
            key.append(self.of(function.__defaults__))
        if function.__kwdefaults__:
            key.append(self.of(function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                key.append(self.of(cell.cell_contents))
            except ValueError:  # not assigned yet
                key.append(None)
        names, namespace = _names_of(function), function.__globals__
        for name in names:
            if name in namespace:
                value = namespace[name]
                if isinstance(value, ModuleType):
                    key.append(self._module(value, names))
                else:
                    key.append(self.of(value))
        return tuple(key)

    def _module(self, module: ModuleType, names: tuple[str, ...]) -> Any:
        """A module by what may be read of it: its attributes among the names of the reading code."""
        if _library(module.__name__):
            return _Same(module)
        contents = vars(module)
        return (_Same(module), tuple([self.of(contents[name]) for name in names if name in contents]))

    def _class(self, cls: type) -> Any:
        if _library(cls.__module__) or issubclass(cls, Enum):
            return _Same(cls)
        contents = tuple(
            [(name, self.of(value)) for name, value in vars(cls).items() if not name.startswith("__")]
            + [self.of(base) for base in cls.__bases__]
        )
        return (_Same(cls), contents)

    def _again(self, value: object) -> Any:
        """A short key for an object already met in this walk, by the order of meeting; else None, and it is noted."""
        place = self._seen.get(id(value))
        if place is not None:
            return ("again", place)
        self._seen[id(value)] = len(self._seen)
        return None


def _array(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.hasobject:
        raise Unkeyed("array of objects")
    digest = hashlib.blake2b(np.ascontiguousarray(array).view(np.uint8).data, digest_size=16).digest()
    return ("array", array.dtype.str, str(array.dtype), array.shape, digest)


def _library(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] in _LIBRARIES


def _names_of(function: FunctionType) -> tuple[str, ...]:
    found = _names.get(function)
    if found is None:
        found = _names[function] = tuple(dict.fromkeys(_code_names(function.__code__)))
    return found


def _code_names(code: CodeType) -> list[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names += _code_names(constant)
    return names
