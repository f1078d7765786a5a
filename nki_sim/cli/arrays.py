"""Arguments on the command line: `a=128x512:bfloat16` is a random array, anything else a Python literal."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from nki_sim.program.dtypes import DType, dtype_of, from_float32

_ARRAY = re.compile(r"^(\d+(?:x\d+)*):([A-Za-z0-9_]+)$")
_INTEGER_RANGE = 8


@dataclass(frozen=True, slots=True)
class ArgumentSpec:
    """One --arg: an array of `shape` and `dtype`, or (with dtype None) the static value."""

    name: str
    shape: tuple[int, ...] = ()
    dtype: DType | None = None
    value: Any = None


def parse_argument(text: str) -> ArgumentSpec:
    """The argument that NAME=VALUE stands for. Raises UsageError with an example when it stands for none."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.UsageError(f"--arg {text}: write NAME=VALUE, such as a=128x512:float32")
    match = _ARRAY.match(value)
    if match:
        try:
            return ArgumentSpec(name, tuple(int(s) for s in match[1].split("x")), dtype_of(match[2]))
        except (TypeError, ValueError) as error:
            raise click.UsageError(f"--arg {text}: {error}") from error
    try:
        return ArgumentSpec(name, value=ast.literal_eval(value))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise click.UsageError(
            f"--arg {text}: {value!r} is neither SHAPE:DTYPE (128x512:float32) nor a Python literal (3, 0.5, (3, 4))"
        ) from error


def make_value(spec: ArgumentSpec, rng: np.random.Generator) -> Any:
    """The value of an argument: floats from a standard normal distribution, integers between -8 and 8."""
    if spec.dtype is None:
        return spec.value
    try:
        return _drawn(spec.shape, spec.dtype, rng)
    except (MemoryError, ValueError) as error:
        size = "x".join(map(str, spec.shape))
        raise click.UsageError(f"--arg {spec.name}={size}:{spec.dtype}: no memory for so large an array") from error


def _drawn(shape: tuple[int, ...], dtype: DType, rng: np.random.Generator) -> Any:
    if dtype.is_float:
        return from_float32(rng.standard_normal(shape, dtype=np.float32), dtype)
    if dtype.kind == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    low = -_INTEGER_RANGE if dtype.kind == "int" else 0
    return rng.integers(low, _INTEGER_RANGE, shape).astype(dtype.storage)
