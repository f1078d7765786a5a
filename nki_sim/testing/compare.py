"""Judge a kernel's result against a float64 reference, and say where and by how much it differs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.program.dtypes import DType, dtype_of, from_float32
from nki_sim.testing.tolerance import Tolerance, default_tolerance, limits_of

Array = npt.NDArray[Any]
Reference = Callable[..., Any]

# Relative size of the perturbations that measure sensitivity: a float32 rounding error, far above float64's.
PERTURBATION = 2.0**-24
SAMPLES = 6
_TILE = (128, 512)


class MismatchError(AssertionError):
    """A kernel's result is not its reference's. The message says where; `comparison` holds the numbers."""

    def __init__(self, message: str, comparison: Comparison) -> None:
        super().__init__(message)
        self.comparison = comparison


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """One output beside its reference.

    got        the kernel's array, in its storage type
    expected   the reference in float64, same shape
    error      |got - expected| in float64; infinite where one is finite and the other is not
    bound      what the tolerance allows, element by element
    """

    got: Array
    expected: npt.NDArray[np.float64]
    error: npt.NDArray[np.float64]
    bound: npt.NDArray[np.float64]
    dtype: DType

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """True where the error exceeds the bound."""
        return ~(self.error <= self.bound)

    @property
    def passes(self) -> bool:
        return not bool(self.wrong.any())

    @property
    def worst(self) -> tuple[int, ...]:
        """Index of the element whose error is the largest multiple of its bound."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(self.error == 0, 0.0, self.error / self.bound)
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))

    def describe(self, name: str) -> str:
        """Several lines: the worst element, its distance in ulp of the output type, how many differ, in which tiles."""
        at = self.worst
        got, expected = float(self.got[at]), float(self.expected[at])
        wrong = int(self.wrong.sum())
        lines = [
            f"{name} does not match its reference: {wrong} of {self.got.size} elements "
            f"({100.0 * wrong / max(1, self.got.size):.3g} %) are wrong",
            f"  worst at [{', '.join(map(str, at))}]: got {got:.9g}, expected {expected:.9g}, "
            f"{_ulp_text(got, expected, self.dtype)}",
            f"  error {self.error[at]:.3g}, allowed {self.bound[at]:.3g}",
        ]
        return "\n".join(lines + self._tile_lines())

    def _tile_lines(self) -> list[str]:
        """Which 128 x 512 tiles of the output hold wrong elements: most tiling mistakes are visible there."""
        rows = self.got.shape[0] if self.got.ndim else 1
        table = self.wrong.reshape(rows, -1)
        counts = {
            (r // _TILE[0], c // _TILE[1]): int(table[r : r + _TILE[0], c : c + _TILE[1]].sum())
            for r in range(0, table.shape[0], _TILE[0])
            for c in range(0, table.shape[1], _TILE[1])
        }
        bad = {tile: count for tile, count in counts.items() if count}
        if not bad:
            return []
        lines = [f"  in {len(bad)} of {len(counts)} tiles of 128 x 512 (free axes flattened):"]
        for (i, j), count in list(bad.items())[:4]:
            rows_text = f"{i * _TILE[0]}-{min((i + 1) * _TILE[0], table.shape[0]) - 1}"
            columns_text = f"{j * _TILE[1]}-{min((j + 1) * _TILE[1], table.shape[1]) - 1}"
            lines.append(f"    tile ({i}, {j}), rows {rows_text}, columns {columns_text}: {count} wrong")
        return [*lines, f"    and {len(bad) - 4} more"] if len(bad) > 4 else lines


def compare(
    got: Array, expected: Array, tolerance: Tolerance, sensitivity_of: npt.NDArray[np.float64] | None = None
) -> Comparison:
    """`got` beside `expected` under `tolerance`. Raises ValueError when the shapes differ.

    An expected value beyond the range of the output type may come out as infinity or, in a type without infinities, as
    NaN; integers are expected rounded half to even and saturated, as the engines write them.
    """
    if got.shape != expected.shape:
        raise ValueError(f"the kernel returns shape {got.shape}, the reference {expected.shape}")
    dtype = dtype_of(got.dtype)
    exact = np.asarray(expected, dtype=np.float64)
    actual = got.astype(np.float64)
    scale = np.abs(exact) if sensitivity_of is None else np.maximum(np.abs(exact), sensitivity_of)
    with np.errstate(invalid="ignore", over="ignore"):
        bound = tolerance.output * np.abs(exact) + tolerance.compute * scale + tolerance.floor
        if dtype.is_float:
            # The bound overlaps the threshold where rounding turns into overflow.
            largest = limits_of(dtype).largest
            overflow = np.abs(exact) + bound >= largest
            error = np.abs(actual - exact)
            overflowed = (~np.isfinite(actual)) & overflow & (np.isnan(actual) | (np.sign(actual) == np.sign(exact)))
            same = (np.isnan(actual) & np.isnan(exact)) | (actual == exact) | overflowed
        else:
            limits = np.iinfo(dtype.storage)
            saturated = np.clip(exact, limits.min, limits.max)
            error = np.abs(actual - saturated)
            same = actual == saturated
    error = np.where(same, 0.0, error)
    error = np.where(np.isnan(error), np.inf, error)
    bound = np.where(np.isfinite(bound), bound, 0.0)
    return Comparison(got=got, expected=exact, error=error, bound=bound, dtype=dtype)


def sensitivity(
    reference: Reference, args: Sequence[Any], options: dict[str, Any] | None = None
) -> list[npt.NDArray[np.float64]]:
    """For each output of `reference`: the change per unit of relative change of the inputs, element by element.

    The root mean square over a few runs in which every floating-point input is multiplied by 1 +- 2^-24, signs drawn at
    random from a fixed seed. Inputs that are not floating-point arrays stay as they are.
    """
    rng = np.random.default_rng(0)
    base = _evaluate(reference, args, options)
    squares = [np.zeros(np.shape(b)) for b in base]
    if not any(_is_float64(a) for a in args):
        return squares
    for _ in range(SAMPLES):
        moved = [
            a * (1.0 + PERTURBATION * rng.choice((-1.0, 1.0), size=a.shape)) if _is_float64(a) else a for a in args
        ]
        for total, before, after in zip(squares, base, _evaluate(reference, moved, options), strict=True):
            with np.errstate(invalid="ignore", over="ignore"):
                step = (np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)) / PERTURBATION
                total += np.nan_to_num(step * step, nan=0.0)
    return [np.sqrt(total / SAMPLES) for total in squares]


def verify(
    got: Any,
    reference: Reference,
    args: Sequence[Any],
    options: dict[str, Any] | None = None,
    tolerance: Tolerance | None = None,
) -> list[Comparison]:
    """Compare what a kernel returned for `args` with `reference`, evaluated in float64: one Comparison per output.

    Non-goal: kernels that return nothing and write their arguments.
    """
    exact = [_widen(a) for a in args]
    expected = _evaluate(reference, exact, options)
    results = _outputs(got)
    if len(results) != len(expected):
        raise ValueError(f"the kernel returns {len(results)} tensors, the reference {len(expected)}")
    slack = sensitivity(reference, exact, options)
    return [
        compare(result, wanted, tolerance or default_tolerance(result.dtype, args), spread)
        for result, wanted, spread in zip(results, expected, slack, strict=True)
    ]


def assert_matches(
    kernel: Callable[..., Any],
    reference: Reference,
    *args: Any,
    tolerance: Tolerance | None = None,
    **options: Any,
) -> None:
    """Run `kernel(*args, **options)` and raise MismatchError unless it matches `reference(*args, **options)`.

    The kernel runs as it is configured (`kernel.with_options(...)` chooses engine and target). The reference is called
    with the same arguments, floating-point arrays widened to float64. Without a `tolerance`, `default_tolerance` takes
    the output's type and the longest input axis. The rule is in nki_sim.testing.tolerance.
    """
    got = kernel(*args, **options)
    comparisons = verify(got, reference, args, options, tolerance)
    name = str(getattr(kernel, "__name__", None) or getattr(kernel, "name", None) or "the kernel")
    for index, comparison in enumerate(comparisons):
        if not comparison.passes:
            which = name if len(comparisons) == 1 else f"{name}, output {index},"
            raise MismatchError(comparison.describe(which), comparison)


def ulp_distance(got: float, expected: float, dtype: DType) -> float:
    """How many representable values of `dtype` lie between `got` and `expected` rounded to `dtype`.

    NaN when either is NaN; exact also across zero and up to infinity.
    """
    if math.isnan(got) or math.isnan(expected):
        return math.nan
    if not dtype.is_float:
        return abs(got - expected)
    with np.errstate(over="ignore"):
        pair = from_float32(np.array([got, expected], dtype=np.float64).astype(np.float32), dtype)
    bits = pair.view({1: np.uint8, 2: np.uint16, 4: np.uint32}[pair.dtype.itemsize])
    sign = 1 << (8 * pair.dtype.itemsize - 1)
    low, high = (int(b) if int(b) < sign else sign - int(b) for b in bits)
    return float(abs(low - high))


def _ulp_text(got: float, expected: float, dtype: DType) -> str:
    distance = ulp_distance(got, expected, dtype)
    if math.isnan(distance):
        return "one of them not a number"
    return f"{distance:.0f} ulp of {dtype} apart" if dtype.is_float else f"{distance:g} apart"


def _widen(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    try:
        known = dtype_of(value.dtype)
    except TypeError:
        return value
    return value.astype(np.float64) if known.is_float else value


def _is_float64(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64


def _evaluate(reference: Reference, args: Sequence[Any], options: dict[str, Any] | None) -> list[Array]:
    """The reference's outputs. Infinities on the way are its own business: exp(1000) inside a sigmoid is fine."""
    with np.errstate(all="ignore"):
        return _outputs(reference(*args, **(options or {})))


def _outputs(value: Any) -> list[Array]:
    if value is None:
        raise ValueError("the kernel or its reference returns nothing; there is nothing to compare")
    return [np.asarray(v) for v in (value if isinstance(value, (tuple, list)) else (value,))]
