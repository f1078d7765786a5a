"""Arguments of a kernel call: which are tensors, which are static, and the key under which a specialisation is kept."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any

import numpy as np

from nki_sim.diagnostics.model import Diagnostic, DtypeError, ShapeError
from nki_sim.foreign import as_array
from nki_sim.frontend.specialise import TensorArgument
from nki_sim.program.dtypes import BY_STORAGE, dtype_of
from nki_sim.static_key import CodeKey, KeyWalk, Unkeyed


@dataclass(slots=True, eq=False)
class Arguments:
    """One call's arguments.

    values   by parameter: TensorArgument (or a list or tuple with some) for arrays, anything else as it was given
    arrays   the arrays, in the order their tensors are made
    """

    values: dict[str, Any]
    arrays: list[np.ndarray[Any, Any]]
    signature: inspect.Signature


def bind(
    function: FunctionType, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Arguments:
    """Sort a call's arguments. Raises TypeError for a wrong call, DtypeError for an array type NKI lacks."""
    given = _by_position(function, args) if not kwargs else None
    if given is None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
    arrays: list[np.ndarray[Any, Any]] = []
    values = {name: _sort(function, name, value, arrays) for name, value in given.items()}
    return Arguments(values, arrays, signature)


def _by_position(function: FunctionType, args: tuple[Any, ...]) -> dict[str, Any] | None:
    """What `signature.bind` finds, at a tenth of its cost, for a plain function called by position; else None."""
    code = function.__code__
    if code.co_flags & (CO_VARARGS | CO_VARKEYWORDS) or code.co_kwonlyargcount or function.__dict__:
        return None
    missing = code.co_argcount - len(args)
    defaults = function.__defaults__ or ()
    if missing:
        if not 0 < missing <= len(defaults):
            return None
        args += defaults[-missing:]
    return dict(zip(code.co_varnames, args, strict=False))


def _sort(function: FunctionType, name: str, value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if type(value) is np.ndarray and value.size:
        known = BY_STORAGE.get(value.dtype)
        if known is not None and value.ndim:
            arrays.append(value)
            return TensorArgument(value.shape, known)
    if isinstance(value, np.ndarray) or (hasattr(value, "__array__") and not isinstance(value, (np.generic, type))):
        array = as_array(value)
        try:
            dtype = dtype_of(array.dtype)
        except TypeError:
            raise _wrong_dtype(function, name, array.dtype) from None
        if array.ndim == 0:
            return array[()].item()
        if 0 in array.shape:
            raise ShapeError(
                (
                    Diagnostic(
                        code="shape",
                        message=f"{function.__name__}: argument {name} has shape {list(array.shape)}, without elements",
                        fix="leave the call out when there is nothing to compute",
                    ),
                )
            )
        arrays.append(array)
        return TensorArgument(array.shape, dtype)
    if type(value) in (list, tuple):
        return type(value)(_sort(function, f"{name}[{i}]", v, arrays) for i, v in enumerate(value))
    return value


def _wrong_dtype(function: FunctionType, name: str, dtype: Any) -> DtypeError:
    narrower = {"float64": "float32", "int64": "int32", "uint64": "uint32"}.get(str(dtype))
    fix = f"pass {name}.astype(np.{narrower})" if narrower else "pass an array of a type NKI has"
    return DtypeError(
        (
            Diagnostic(
                code="dtype",
                message=f"{function.__name__}: argument {name} is {dtype}, which NKI does not have",
                facts=(
                    "NKI has int and uint of 8, 16, 32 bits, float32, float16, bfloat16, tfloat32, float8 and bool",
                ),
                fix=fix,
            ),
        )
    )


def specialisation_key(code: CodeKey, arguments: Arguments) -> Any:
    """What a specialisation depends on: shapes, dtypes, static arguments, and all that the kernel's code reads.

    None when some value has no key; the kernel is then specialised afresh at every call.
    """
    walk = KeyWalk()
    try:
        return (
            tuple([(name, _argument_key(walk, value)) for name, value in arguments.values.items()]),
            code.key(),
        )
    except (Unkeyed, RecursionError):
        return None


def _argument_key(walk: KeyWalk, value: Any) -> Any:
    if type(value) is TensorArgument:
        return value
    if type(value) in (list, tuple):
        return (type(value), tuple([_argument_key(walk, one) for one in value]))
    return walk.of(value)
