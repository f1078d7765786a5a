"""NKIObject: the base class of kernel classes."""

from __future__ import annotations

import inspect
from typing import Any


class NKIObject:
    """Base of classes a kernel may use. A subclass without `__init__` gets one from its annotated fields.

    Source: nki-language-guide.rst, Class Support: missing initialisers are generated, a field without a default
    starts as None, and `__post_init__` runs last.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__ and inspect.get_annotations(cls):
            cls.__init__ = _generated_init  # type: ignore[assignment,method-assign]

    def __post_init__(self) -> None:
        """Nothing; a subclass may say more."""


def _generated_init(self: NKIObject, *args: Any, **kwargs: Any) -> None:
    fields: dict[str, Any] = {}
    for base in reversed(type(self).__mro__):
        for name in inspect.get_annotations(base):
            fields[name] = base.__dict__.get(name)
    if len(args) > len(fields):
        raise TypeError(f"{type(self).__name__} takes {len(fields)} values but {len(args)} were given")
    values = {**fields, **dict(zip(fields, args, strict=False))}
    for name, value in kwargs.items():
        if name not in fields:
            raise TypeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(fields)}")
        values[name] = value
    for name, value in values.items():
        setattr(self, name, value)
    self.__post_init__()
