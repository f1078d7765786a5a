"""Which public kernels are run, with which inputs, against which NumPy reference of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np

Rng = np.random.Generator
BF16 = ml_dtypes.bfloat16


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kernel of one file.

    repo       "sdk" (aws-neuron/aws-neuron-sdk) or "samples" (aws-neuron/nki-samples)
    inputs     the arguments; sizes are those of the repository's own scripts where they give any
    reference  the expected result in float64, from the arguments
    expect     "match"; "refused": it must be refused, `word` in the message; "broken": it cannot run anywhere, `word`
               says why; "owed": nki_sim lacks something, `word` says what
    relative   largest accepted |result - reference|, relative to the largest |reference|
    """

    repo: Literal["sdk", "samples"]
    path: str
    kernel: str
    inputs: Callable[[Rng], tuple[Any, ...]] = lambda rng: ()
    reference: Callable[..., Any] | None = None
    expect: Literal["match", "refused", "broken", "owed"] = "match"
    word: str = ""
    relative: float = 1e-5
    sizes: str = ""


def _uniform(rng: Rng, *shape: int, dtype: Any = BF16) -> Any:
    return rng.random(shape, dtype=np.float32).astype(dtype)


def _small_matmul(rng: Rng) -> tuple[Any, ...]:
    return _uniform(rng, 64, 128).T, _uniform(rng, 128, 512)


def _large_matmul(rng: Rng) -> tuple[Any, ...]:
    return _uniform(rng, 4096, 1024).T, _uniform(rng, 1024, 2048)


def _matmul(lhs_transposed: Any, rhs: Any, *_: Any) -> Any:
    return lhs_transposed.astype(np.float32).T.astype(np.float64) @ rhs.astype(np.float64)


def _mamba_inputs(rng: Rng) -> tuple[Any, ...]:
    channels, state, length = 256, 16, 2048
    f32 = np.float32
    return (
        rng.random((1, channels, length), dtype=f32),
        rng.standard_normal((1, channels, length), dtype=f32),
        -rng.random((channels, state), dtype=f32) - f32(0.1),
        rng.standard_normal((1, state, length), dtype=f32),
        rng.standard_normal((1, state, length), dtype=f32),
    )


def _mamba(delta: Any, u: Any, a: Any, b: Any, c: Any) -> Any:
    delta, u, a, b, c = (x.astype(np.float64) for x in (delta, u, a, b, c))
    state = np.zeros((delta.shape[0], delta.shape[1], a.shape[1]))
    out = np.empty_like(delta)
    for t in range(delta.shape[2]):
        decay = np.exp(delta[:, :, t, None] * a[None])
        state = decay * state + (delta[:, :, t] * u[:, :, t])[:, :, None] * b[:, None, :, t]
        out[:, :, t] = (state * c[:, None, :, t]).sum(-1)
    return out


def _windows(x: Any, size: int) -> Any:
    channels, height, width = x.shape
    return x.astype(np.float64).reshape(channels, height // size, size, width // size, size)


def _transposed_rows(x: Any, shape: tuple[int, int]) -> Any:
    return x.reshape(x.shape[0], *shape).transpose(0, 2, 1).reshape(x.shape)


def _add(a: Any, b: Any) -> Any:
    return a.astype(np.float64) + b.astype(np.float64)


_MATMULS = (
    ("nki_matmul_basic_", _small_matmul, "64x128x512 bfloat16"),
    ("nki_matmul_tiled_", _large_matmul, "4096x1024x2048 bfloat16"),
    ("nki_matmul_hoist_load_", _large_matmul, "4096x1024x2048 bfloat16"),
    ("nki_matmul_block_free_dimension_", _large_matmul, "4096x1024x2048 bfloat16"),
    ("nki_matmul_fully_optimized_", _large_matmul, "4096x1024x2048 bfloat16"),
)
_EXAMPLES = "nki/examples"
_HALF_ULP_BF16 = 2.0**-8
# Partial sums are kept in bfloat16 between blocks of K by that kernel, which rounds once more per block.
_TWO_BLOCKS_BF16 = 3 * 2.0**-8


def cases() -> list[Case]:
    """Every case, in the order of the table."""
    ones = lambda *shape, dtype=np.float16: np.ones(shape, dtype)  # noqa: E731
    out = [
        Case(
            repo=repo, path=f"{folder}/matrix_multiplication/matrix_multiplication_nki_kernels.py", kernel=name,
            inputs=inputs, reference=_matmul, sizes=sizes,
            relative=_TWO_BLOCKS_BF16 if "fully" in name else _HALF_ULP_BF16,
        )
        for repo, folder in (("sdk", _EXAMPLES), ("samples", "src/nki_samples/tutorials"))
        for name, inputs, sizes in _MATMULS
    ]  # fmt: skip
    sdk: list[Case] = [
        Case(repo="sdk", path=f"{_EXAMPLES}/transpose2d/transpose2d_nki_kernels.py",
             kernel="tensor_transpose2D_kernel_",
             inputs=lambda rng: (np.arange(60, dtype=np.int8).reshape(5, 12), (3, 4)), reference=_transposed_rows,
             relative=0.0, sizes="5x12 int8"),
        Case(repo="sdk", path=f"{_EXAMPLES}/average_pool2d/average_pool2d_nki_kernels.py",
             kernel="tensor_avgpool_kernel", inputs=lambda rng: (np.arange(72, dtype=np.float16).reshape(2, 6, 6), 2),
             reference=lambda x, size: _windows(x, size).mean((2, 4)), relative=2.0**-11, sizes="2x6x6 float16"),
        *(Case(repo="sdk", path=f"{_EXAMPLES}/fused_mamba/mamba_nki_kernels.py", kernel=f"mamba_v{v}",
               inputs=_mamba_inputs, reference=_mamba, relative=1e-5,
               sizes="256 channels, 16 states, 2048 steps, float32")
          for v in (1, 2, 3)),
        Case(repo="sdk", path=f"{_EXAMPLES}/tensor_addition/tensor_addition_nki_kernels.py", kernel="nki_tensor_add",
             inputs=lambda rng: (_uniform(rng, 256, 1024), _uniform(rng, 256, 1024)), reference=_add,
             relative=_HALF_ULP_BF16, sizes="256x1024 bfloat16"),
        Case(repo="sdk", path=f"{_EXAMPLES}/simulate/nki_simulate_example.py", kernel="add_kernel",
             inputs=lambda rng: (rng.random((128, 512), dtype=np.float32), rng.random((128, 512), dtype=np.float32)),
             reference=_add, relative=2.0**-23, sizes="128x512 float32"),
        *(Case(repo="sdk", path=f"{_EXAMPLES}/getting_started_{name}.py", kernel="nki_tensor_add_kernel",
               inputs=lambda rng: (ones(4, 3), ones(4, 3)), reference=_add, relative=0.0, sizes="4x3 float16")
          for name in ("baremetal", "torch", "jax")),
        Case(repo="sdk", path=f"{_EXAMPLES}/index-case-1.py", kernel="tensor_split_kernel_",
             inputs=lambda rng: (np.arange(20, dtype=np.float32).astype(BF16).reshape(4, 5),),
             reference=lambda x: (x[:, 0::2].astype(np.float64), x[:, 1::2].astype(np.float64)), relative=0.0,
             sizes="4x5 bfloat16"),
        Case(repo="sdk", path=f"{_EXAMPLES}/index-case-3.py", kernel="tensor_maxpool_kernel_",
             inputs=lambda rng: (np.arange(72, dtype=np.float32).astype(BF16).reshape(2, 6, 6), 2),
             reference=lambda x, size: _windows(x, size).max((2, 4)), relative=0.0, sizes="2x6x6 bfloat16"),
        Case(repo="sdk", path=f"{_EXAMPLES}/layout-pass.py", kernel="tensor_exp_kernel_",
             inputs=lambda rng: (np.ones((128, 512), BF16),), reference=lambda x: np.exp(x.astype(np.float64)),
             relative=_HALF_ULP_BF16, sizes="128x512 bfloat16"),
        Case(repo="sdk", path=f"{_EXAMPLES}/layout-violation.py", kernel="tensor_exp_kernel_",
             inputs=lambda rng: (np.ones((256, 512), BF16),), expect="refused", word="256 partitions",
             sizes="256x512 bfloat16"),
        Case(repo="sdk", path=f"{_EXAMPLES}/layout-loop.py", kernel="tensor_exp_kernel_",
             inputs=lambda rng: (np.ones((256, 512), BF16),), expect="broken", word="i_f", sizes="256x512 bfloat16"),
        Case(repo="sdk", path=f"{_EXAMPLES}/layout-dynamic-loop.py", kernel="tensor_exp_kernel_", expect="broken",
             word="never closed"),
    ]  # fmt: skip
    return out[:5] + sdk + out[5:]


OWED = (
    ("aws-neuron-sdk nki/deep-dives/src/mxfp-matmul", "MX instructions (nc_matmul_mx, quantize_mx) and x4 types"),
    ("nki-samples tutorials/mxfp-matmul", "MX instructions (nc_matmul_mx, quantize_mx) and x4 types"),
)
