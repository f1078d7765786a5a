"""Keys for what a specialisation depends on besides shapes: static arguments, and what the kernel's code reads.

A key is hashable, and equal keys mean that building the kernel again would give the same program. It holds on to the
objects it knows by identity, so that an identity is never used twice. Functions are known by what they read: code,
defaults, closure, globals, attributes of the user's modules and classes.
"""

from __future__ import annotations

import dis
import hashlib
import math
import sys
from collections.abc import Iterator
from enum import Enum
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from nki_sim.program.dtypes import DType

_LIBRARIES = frozenset(sys.stdlib_module_names) | {"nki_sim", "numpy", "ml_dtypes", "torch", "jax"}
_PLAIN = (str, bytes, DType, Enum, np.generic, np.dtype, slice, type(Ellipsis), complex)
_names: WeakKeyDictionary[FunctionType, tuple[tuple[str, ...], tuple[str, ...]]] = WeakKeyDictionary()


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


class _Hashed:
    """A key whose hash is worked out once."""

    __slots__ = ("_hash", "value")

    def __init__(self, value: object) -> None:
        self.value = value
        self._hash = hash(value)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Hashed) and self.value == other.value)

    def __hash__(self) -> int:
        return self._hash


class CodeKey:
    """The key of a kernel's function, walked again only when something it read is another object than before.

    Objects that can change without being replaced (lists, instances, arrays) are walked every time.
    """

    def __init__(self, function: FunctionType) -> None:
        self._function = function
        self._reads: list[tuple[dict[str, Any], str, Any]] | None = None
        self._cells: list[tuple[CellType, Any]] = []
        self._functions: list[tuple[FunctionType, CodeType, Any, Any]] = []
        self._key: _Hashed | None = None

    def key(self) -> _Hashed:
        """Raises Unkeyed when something the function reads has no key."""
        key = self._key
        if key is not None and self._unchanged():
            return key
        walk = KeyWalk()
        key = _Hashed(walk.function(self._function))
        self._reads, self._cells, self._functions = walk.reads, walk.cells, walk.functions
        self._key = None if walk.mutable else key
        return key

    def _unchanged(self) -> bool:
        for namespace, name, value in self._reads or ():
            if namespace.get(name) is not value:
                return False
        for cell, value in self._cells:
            if cell.cell_contents is not value:
                return False
        for function, code, defaults, keywords in self._functions:
            if (
                function.__code__ is not code
                or function.__defaults__ is not defaults
                or function.__kwdefaults__ is not keywords
            ):
                return False
        return True


class KeyWalk:
    """One key in the making; objects met again are not walked again, so cycles end.

    reads, cells, functions   what was looked at, and the objects found there
    mutable                   something was met that can change without being replaced
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self.reads: list[tuple[dict[str, Any], str, Any]] = []
        self.cells: list[tuple[CellType, Any]] = []
        self.functions: list[tuple[FunctionType, CodeType, Any, Any]] = []
        self.mutable = False

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
            self.mutable = True
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
            self.mutable = self.mutable or isinstance(value, list)
            return (kind, tuple([self.of(one) for one in value]))
        if isinstance(value, dict):
            self.mutable = True
            return (kind, tuple([(self.of(name), self.of(one)) for name, one in value.items()]))
        if isinstance(value, (set, frozenset)):
            self.mutable = True
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
        self.functions.append((function, function.__code__, function.__defaults__, function.__kwdefaults__))
        key: list[Any] = [_Same(function.__code__)]
        if function.__defaults__:
            key.append(self.of(function.__defaults__))
        if function.__kwdefaults__:
            key.append(self.of(function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                self.mutable = True
                continue
            self.cells.append((cell, value))
            key.append(self.of(value))
        names, attributes = _names_of(function)
        namespace = function.__globals__
        for name in names:
            value = namespace.get(name)
            self.reads.append((namespace, name, value))
            if isinstance(value, ModuleType):
                key.append(self._module(value, attributes))
            elif name in namespace:
                key.append(self.of(value))
        return tuple(key)

    def _module(self, module: ModuleType, names: tuple[str, ...]) -> Any:
        """A module by what may be read of it: its attributes among the names of the reading code."""
        if _library(module.__name__):
            return _Same(module)
        contents = vars(module)
        self.reads += [(contents, name, contents[name]) for name in names if name in contents]
        return (_Same(module), tuple([self.of(contents[name]) for name in names if name in contents]))

    def _class(self, cls: type) -> Any:
        if _library(cls.__module__) or issubclass(cls, Enum):
            return _Same(cls)
        self.mutable = True  # its attributes can be set
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


def _names_of(function: FunctionType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The global names that a function's code reads, and all names in it, which attributes are among."""
    found = _names.get(function)
    if found is None:
        codes = list(_codes(function.__code__))
        names = dict.fromkeys(
            str(one.argval)
            for code in codes
            for one in dis.get_instructions(code)
            if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        )
        attributes = dict.fromkeys(name for code in codes for name in code.co_names)
        found = _names[function] = (tuple(names), tuple(attributes))
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
