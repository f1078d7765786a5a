"""Kinds: what values there are in the part of Python that is translated, and how LLVM has them."""

from __future__ import annotations

import dataclasses
import inspect
import struct
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

Kind = Any
"""int, float, bool, None, a dataclass, or list[int] and the like."""


class NotUnderstood(TypeError):
    """A piece of Python outside of the part that is translated."""


@dataclasses.dataclass(frozen=True)
class Signature:
    """arguments: the kind of each by its name, `self` among them."""

    arguments: Mapping[str, Kind]
    returned: Kind


def signature_of(function: Callable[..., Any]) -> Signature:
    hints = typing.get_type_hints(function)
    names = inspect.signature(function).parameters
    owner, _, _ = function.__qualname__.rpartition(".")
    kinds = {name: plain(hints[name] if name in hints else function.__globals__[owner]) for name in names}
    return Signature(kinds, plain(hints.get("return", type(None))))


@cache
def fields_of(owner: type) -> Mapping[str, tuple[int, Kind, Any]]:
    """By name of a field: its place, kind and default."""
    hints = typing.get_type_hints(owner)
    fields = dataclasses.fields(owner)
    return {one.name: (place, plain(hints[one.name]), one.default) for place, one in enumerate(fields)}


def plain(kind: Kind) -> Kind:
    """The kind without its `| None`."""
    origin: Any = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def llvm(kind: Kind) -> str:
    if kind is int:
        return "i64"
    if kind is float:
        return "double"
    if kind is bool:
        return "i1"
    return "ptr"


def returned_as(kind: Kind) -> str:
    return "void" if kind is type(None) else llvm(kind)


def exact(value: float) -> str:
    """LLVM's text of a float, bit for bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def stored_as(kind: Kind) -> str:
    """As `llvm` says, in memory."""
    return "i8" if kind is bool else llvm(kind)
