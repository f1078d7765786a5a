"""The gated MLPs of the fidelity page, for few tokens and for many, compute what they are named for."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.fidelity.kernels import decode, prefill

Array = npt.NDArray[Any]


def half(seed: int, *shape: int, scale: float = 1.0) -> Array:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(ml_dtypes.bfloat16)


def matrices(width: int, inner: int) -> tuple[Array, Array, Array]:
    return (
        half(1, width, inner, scale=width**-0.5),
        half(2, width, inner, scale=width**-0.5),
        half(3, inner, width, scale=inner**-0.5),
    )


def wide(*arrays: Array) -> list[Array]:
    return [array.astype(np.float32) for array in arrays]


def gated(x: Array, gate: Array, up: Array, down: Array) -> Array:
    opened = x @ gate
    result: Array = (opened / (1 + np.exp(-opened)) * (x @ up)) @ down
    return result


def normed(x: Array, norm: str, gain: Array) -> Array:
    if norm == "":
        return x
    centred = x - x.mean(axis=1, keepdims=True) if norm == "layer" else x
    result: Array = centred / np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + 1e-6) * gain
    return result


def assert_near(found: Array, expected: Array) -> None:
    """Within the roundings of bfloat16 on the way, of which sums of a hundred products average most."""
    error = found.astype(np.float32) - expected
    assert np.sqrt(np.mean(error**2)) < 0.01 * np.sqrt(np.mean(expected**2))
    assert np.abs(error).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("norm", ["", "rms", "layer"])
@pytest.mark.parametrize("tokens, width, inner", [(1, 2560, 208), (5, 512, 832)])
def test_decode(norm: str, tokens: int, width: int, inner: int) -> None:
    x, gain, weights = half(0, tokens, width), half(4, 1, width), matrices(width, inner)
    arguments = {"norm": norm, "gain": gain} if norm else {}
    found = decode.decode_mlp(x, *weights, **arguments)
    rows, gains, *others = wide(x, gain, *weights)
    assert_near(found, gated(normed(rows, norm, gains), *others))


def test_decode_with_a_residual() -> None:
    x, residual, gain, weights = half(0, 2, 1024), half(5, 2, 1024), half(4, 1, 1024), matrices(1024, 192)
    found, sums = decode.decode_mlp(x, *weights, norm="rms", gain=gain, residual=residual)
    expected = (x.astype(np.float32) + residual.astype(np.float32)).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(sums, expected)
    rows, gains, *others = wide(expected, gain, *weights)
    assert_near(found, gated(normed(rows, "rms", gains), *others))


def test_decode_in_float8() -> None:
    x, scales = half(0, 3, 1024), [np.full((128, n), 0.5 + n / 1024, np.float32) for n in (192, 192, 1024)]
    weights = [matrix.astype(ml_dtypes.float8_e4m3) for matrix in matrices(1024, 192)]
    for number, scale in enumerate(scales):
        scale *= 1 + np.arange(scale.shape[1], dtype=np.float32) % (3 + number)
    found = decode.decode_mlp_fp8(x, *weights, *scales)
    rows, *others = wide(x, *weights)
    assert_near(found, gated(rows, *(matrix * scale[:1] for matrix, scale in zip(others, scales, strict=True))))


@pytest.mark.parametrize("has_norm", [False, True])
@pytest.mark.parametrize("tokens, width, inner", [(128, 1536, 208), (768, 512, 608)])
def test_prefill(has_norm: bool, tokens: int, width: int, inner: int) -> None:
    x, gain, weights = half(0, tokens, width), half(4, width // 128, 128), matrices(width, inner)
    found = prefill.prefill_mlp(x, *weights, gain if has_norm else None)
    rows, gains, *others = wide(x, gain.reshape(1, width), *weights)
    assert_near(found, gated(normed(rows, "rms" if has_norm else "", gains), *others))


def test_prefill_with_a_residual() -> None:
    x, residual, gain, weights = half(0, 640, 512), half(5, 640, 512), half(4, 4, 128), matrices(512, 208)
    found, sums = prefill.prefill_mlp(x, *weights, gain, residual, store_sums=True)
    expected = (x.astype(np.float32) + residual.astype(np.float32)).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(sums, expected)
    rows, gains, *others = wide(expected, gain.reshape(1, 512), *weights)
    assert_near(found, gated(normed(rows, "rms", gains), *others))
    np.testing.assert_array_equal(found, prefill.prefill_mlp(x, *weights, gain, residual))
