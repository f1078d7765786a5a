"""The trn1 kernels of the fidelity page compute what they are named for, at small shapes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.fidelity.kernels import (
    mamba,
    products,
    rows,
    trn1_attention,
    trn1_convolution,
    trn1_elementwise,
    trn1_fused,
    trn1_steps,
)
from nki_sim.kernel import Kernel

Array = npt.NDArray[Any]


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def uniform(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)


def silu(x: Array) -> Array:
    return x / (1 + np.exp(-x))


def softmax(scores: Array) -> Array:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def rms_norm(x: Array) -> Array:
    return x / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-6)


def scanned(delta: Array, u: Array, a: Array, b: Array, c: Array) -> Array:
    """The selective scan, one moment after another."""
    state = np.zeros((*a.shape,))
    columns = []
    for time in range(delta.shape[1]):
        step = delta[:, time : time + 1]
        state = np.exp(step * a) * state + step * u[:, time : time + 1] * b[:, time]
        columns.append(state @ c[:, time])
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(
    "made, extra",
    [
        (mamba.scan_state_by_state, ()),
        (mamba.scan_tile_by_tile, ()),
        (mamba.scan_chunks_inside, ()),
        (mamba.scan_chunks_outside, ()),
        (mamba.scan_chunks_outside, (True,)),
        (mamba.scan_chunks_first, ()),
    ],
)
def test_scans(made: Kernel, extra: tuple[bool, ...]) -> None:
    inputs = [uniform(256, 1024), uniform(256, 1024), -uniform(256, 2), uniform(2, 1024), uniform(2, 1024)]
    np.testing.assert_allclose(made(*inputs, *extra), scanned(*inputs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("group", [(1, 1, 1, 1), (1, 2, 1, 1), (4, 2, 1, 1), (4, 2, 2, 1), (4, 2, 4, 2)])
def test_grouped_products(group: tuple[int, ...]) -> None:
    left, right = uniform(256, 512).astype(ml_dtypes.bfloat16), uniform(256, 1024).astype(ml_dtypes.bfloat16)
    found = trn1_steps.grouped_product(left, right, *group).astype(np.float32)
    np.testing.assert_allclose(found, left.astype(np.float32).T @ right.astype(np.float32), rtol=1e-2)


@pytest.mark.parametrize("strips", [(1, 1), (2, 2)])
def test_strip_products(strips: tuple[int, int]) -> None:
    left, right = uniform(256, 256).astype(ml_dtypes.bfloat16), uniform(256, 1024).astype(ml_dtypes.bfloat16)
    found = trn1_steps.strip_product(left, right, *strips).astype(np.float32)
    np.testing.assert_allclose(found, left.astype(np.float32).T @ right.astype(np.float32), rtol=1e-2)


def test_products_of_rows_and_columns() -> None:
    left, right = normal(1024, 1024), normal(1024, 1024)
    expected = left @ right
    np.testing.assert_allclose(products.product_of_rows(left, right), expected, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(products.product_of_columns(left.T.copy(), right), expected, rtol=1e-3, atol=1e-2)


def test_swiglu() -> None:
    x, gate, up, down = normal(512, 256), normal(256, 2048), normal(256, 2048), normal(2048, 256)
    expected = (silu(x @ gate) * (x @ up)) @ down
    np.testing.assert_allclose(trn1_fused.swiglu(x, gate, up, down), expected, rtol=1e-3, atol=0.1)


def test_product_add_rms_norm() -> None:
    x, weights, z, gain = normal(128, 256), normal(256, 1024), normal(128, 1024), normal(1, 1024)
    found = trn1_fused.product_add_rms_norm(x, weights, z, gain)
    np.testing.assert_allclose(found, rms_norm(x @ weights + z) * gain, rtol=1e-3, atol=1e-4)


def test_adamw_with_a_partial_tile() -> None:
    theta, gradient, momentum = normal(200, 1024), normal(201, 1024)[:200].copy(), normal(202, 1024)[:200].copy()
    variance = uniform(200, 1024)
    first, second = 0.9 * momentum + 0.1 * gradient, 0.999 * variance + 0.001 * gradient**2
    expected = theta - 1e-5 * theta - 0.001 * (first / 0.1) / (np.sqrt(second / 0.001) + 1e-8)
    found = trn1_elementwise.adamw(theta, gradient, momentum, variance)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("made", [trn1_elementwise.rope, trn1_elementwise.rope_wide])
def test_rotary_embeddings(made: Kernel) -> None:
    x, cos, sin = normal(128, 4096), normal(64, 4096), normal(65, 4096)[:64].copy()
    low, high = x[:64], x[64:]
    expected = np.concatenate([low * cos - high * sin, high * cos + low * sin])
    np.testing.assert_allclose(made(x, cos, sin), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("made", [rows.silu, rows.silu_in_two])
def test_silu(made: Kernel) -> None:
    x = normal(128, 1024)
    np.testing.assert_allclose(made(x), silu(x), rtol=1e-4, atol=1e-5)


def test_attention_by_rows() -> None:
    q, k, v = normal(512, 64), normal(513, 64)[:512].copy(), normal(514, 64)[:512].copy()
    found = trn1_attention.attention_by_rows(q, k, v)
    np.testing.assert_allclose(found, softmax(q @ k.T / 8) @ v, atol=0.02)


def test_attention_by_banks() -> None:
    q, k, v = ((uniform(128, 512 + n)[:, :512] / 2).astype(ml_dtypes.bfloat16) for n in range(3))
    expected = softmax(q.astype(np.float32).T @ k.astype(np.float32)) @ v.astype(np.float32).T
    found = trn1_attention.attention_by_banks(q.copy(), k.copy(), v.copy()).astype(np.float32)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_convolution() -> None:
    x, weights, bias = normal(128, 6, 12), normal(128, 128, 3, 3), normal(128, 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    expected = np.einsum("chwij,ocij->ohw", windows, weights) + bias[:, :, None]
    found = trn1_convolution.convolution(x, weights.reshape(128, 128, 9), bias)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
