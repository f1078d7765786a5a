"""The matmul micro-kernel and the blocked transpose, alone: right within the bound, and nothing else written."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.engines.jit import matmul
from nki_sim.engines.jit.host import Host
from nki_sim.engines.jit.matmul import Blocking, blocking_for
from nki_sim.instructions.matmul.lowering import LOWERING
from nki_sim.instructions.matmul.reference import matmul_error_bound
from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import DType, from_float32, to_float32
from tests.jit.lowering_harness import Machine, Operand, run

FLOAT_TYPES = [d.float32, d.tfloat32, d.bfloat16, d.float16, d.float8_e4m3, d.float8_e4m3fn, d.float8_e5m2]
few = settings(max_examples=12, deadline=None, derandomize=True)


class Tiles:
    """Lays operands out one behind the other, with room between them so that stray writes show."""

    def __init__(self) -> None:
        self.machine = Machine()
        self._used = 0

    def add(self, dtype: DType, partitions: int, counts: tuple[int, ...], step: int = 1, gap: int = 0) -> Operand:
        """A tile of these counts whose innermost stride is `step` elements, `gap` elements after each outer row."""
        dims: list[tuple[int, int]] = []
        stride = step * dtype.itemsize
        for i, count in enumerate(reversed(counts)):
            dims.append((stride, count))
            stride = stride * count + (gap * dtype.itemsize if i == 0 else 0)
        operand = Operand(dtype, partitions, tuple(reversed(dims)), offset=self._used)
        self._used += stride + 64
        self._used += -self._used % 4
        return operand

    def fill(self, operand: Operand, values: npt.NDArray[Any]) -> None:
        view = self.machine.view(operand)
        view[...] = from_float32(np.asarray(values, np.float32), operand.dtype).reshape(view.shape)

    def values(self, operand: Operand) -> npt.NDArray[np.float32]:
        """The operand as [partitions, free] in fp32."""
        return to_float32(self.machine.view(operand)).reshape(operand.partitions, -1)

    def others(self, operand: Operand) -> npt.NDArray[np.uint8]:
        """The whole memory with this operand's elements blanked."""
        copy = Machine(memory=self.machine.memory.copy())
        copy.view(operand).view(f"u{operand.dtype.itemsize}")[...] = 0
        return copy.memory


def multiply(tiles: Tiles, dst: Operand, stationary: Operand, moving: Operand, **attributes: object) -> None:
    operands = {"dst": dst, "stationary": stationary, "moving": moving}
    given_ = {"accumulate": False, "is_transpose": False, "perf_mode": "none", **attributes}
    before = tiles.others(dst)
    run("nc_matmul", LOWERING["nc_matmul"], operands, given_, tiles.machine)
    assert np.array_equal(tiles.others(dst), before)


@settings(few, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(FLOAT_TYPES),
    depth=st.one_of(st.integers(1, 9), st.sampled_from([32, 127, 128])),
    rows=st.one_of(st.integers(1, 20), st.sampled_from([128])),
    columns=st.one_of(st.integers(1, 70), st.sampled_from([128, 512])),
    step=st.sampled_from([1, 1, 2]),
    accumulate=st.booleans(),
)
def test_stays_within_the_bound_of_any_order(seed, dtype, depth, rows, columns, step, accumulate):
    generator = np.random.default_rng(seed)
    tiles = Tiles()
    stationary = tiles.add(dtype, depth, (rows,), step)
    moving = tiles.add(dtype, depth, (columns,), step)
    dst = tiles.add(d.float32, rows, (columns,))
    tiles.fill(stationary, generator.normal(size=(depth, rows)))
    tiles.fill(moving, generator.normal(size=(depth, columns)))
    tiles.fill(dst, generator.normal(size=(rows, columns)))
    left, right, old = (tiles.values(t).copy() for t in (stationary, moving, dst))
    multiply(tiles, dst, stationary, moving, accumulate=accumulate)
    previous = old if accumulate else None
    exact = left.astype(np.float64).T @ right.astype(np.float64) + (old if accumulate else 0.0)
    assert np.all(np.abs(tiles.values(dst) - exact) <= matmul_error_bound(left, right, previous))


def integers(generator: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    """Values exact in every type, whose sums are exact in fp32."""
    return generator.integers(-4, 5, shape).astype(np.float32)


@few
@given(
    seed=st.integers(0, 2**32 - 1),
    accumulate=st.sampled_from(["no", "yes", "mask"]),
    dtype=st.sampled_from([d.float32, d.bfloat16]),
    step=st.sampled_from([1, 3]),
    gap=st.sampled_from([0, 5]),
)
def test_every_way_out_agrees_with_numpy(seed, accumulate, dtype, step, gap):
    generator = np.random.default_rng(seed)
    tiles = Tiles()
    stationary = tiles.add(d.bfloat16, 33, (3, 7), gap=2)
    moving = tiles.add(d.float8_e4m3, 33, (5, 9), gap=1)
    dst = tiles.add(dtype, 21, (5, 9), step, gap)
    left, right, old = integers(generator, 33, 21), integers(generator, 33, 45), integers(generator, 21, 45)
    mask = generator.integers(0, 2, (21, 45)).astype(np.uint8)
    chosen: Any = {"no": False, "yes": True, "mask": mask}[accumulate]
    # Where nothing is accumulated the old value must not get in, not even a NaN.
    old[np.broadcast_to(np.asarray(chosen) == 0, old.shape)] = np.nan
    for tile, values in ((stationary, left), (moving, right), (dst, old)):
        tiles.fill(tile, values)
    multiply(tiles, dst, stationary, moving, accumulate=chosen)
    expected = left.T @ right + np.where(np.isnan(old), np.float32(0), old)
    assert np.array_equal(tiles.values(dst), to_float32(from_float32(expected, dtype)))


def test_bfloat16_result_rounds_after_adding_the_old_one():
    tiles = Tiles()
    stationary, moving = tiles.add(d.float32, 1, (1,)), tiles.add(d.float32, 1, (1,))
    dst = tiles.add(d.bfloat16, 1, (1,))
    # 256 + 1.001 lies above the tie 257: rounding the product first would land on the tie and go down.
    for tile, value in ((stationary, 1.001), (moving, 1.0), (dst, 256.0)):
        tiles.fill(tile, np.array([[value]]))
    multiply(tiles, dst, stationary, moving, accumulate=True)
    assert tiles.values(dst).item() == 258.0


def test_tfloat32_operands_are_rounded_on_the_way_in():
    tiles = Tiles()
    stationary, moving = tiles.add(d.tfloat32, 1, (1,)), tiles.add(d.float32, 1, (1,))
    dst = tiles.add(d.float32, 1, (1,))
    tiles.machine.view(stationary)[...] = 1.0 + 2.0**-20
    tiles.fill(moving, np.ones((1, 1)))
    multiply(tiles, dst, stationary, moving)
    assert tiles.values(dst).item() == 1.0


@few
@given(seed=st.integers(0, 2**32 - 1), depth=st.sampled_from([1, 20, 128]), gap=st.sampled_from([0, 3]))
def test_double_row_contracts_over_the_pair_too(seed, depth, gap):
    generator = np.random.default_rng(seed)
    tiles = Tiles()
    stationary = tiles.add(d.float8_e4m3, depth, (2, 19), gap=gap)
    moving = tiles.add(d.float8_e5m2, depth, (2, 3, 11), gap=gap)
    dst = tiles.add(d.float32, 19, (33,))
    left, right = integers(generator, depth, 2, 19), integers(generator, depth, 2, 33)
    tiles.fill(stationary, left)
    tiles.fill(moving, right)
    multiply(tiles, dst, stationary, moving, perf_mode="double_row")
    assert np.array_equal(tiles.values(dst), np.einsum("kpm,kpn->mn", left, right))


BLOCKS = [Blocking(8, 4, 4), Blocking(6, 2, 8), Blocking(3, 1, 4, unroll=5), Blocking(5, 3, 16, unroll=1)]


@pytest.mark.parametrize("block", BLOCKS)
def test_bits_do_not_depend_on_the_blocking(block, monkeypatch):
    generator = np.random.default_rng(5)
    tiles = Tiles()
    stationary, moving = tiles.add(d.float32, 45, (31,)), tiles.add(d.float32, 45, (77,))
    first, second = tiles.add(d.float32, 31, (77,)), tiles.add(d.float32, 31, (77,))
    tiles.fill(stationary, generator.normal(size=(45, 31)))
    tiles.fill(moving, generator.normal(size=(45, 77)))
    multiply(tiles, first, stationary, moving)
    monkeypatch.setattr(matmul, "blocking_for", lambda _: block)
    multiply(tiles, second, stationary, moving)
    assert tiles.values(first).tobytes() == tiles.values(second).tobytes()


@pytest.mark.parametrize(("triple", "fma", "avx512", "registers"), [
    ("x86_64-linux", True, True, 32), ("x86_64-linux", True, False, 16), ("x86_64-linux", False, False, 16),
    ("arm64-apple-darwin", True, False, 32),
])  # fmt: skip
def test_a_block_fits_the_register_file(triple, fma, avx512, registers):
    block = blocking_for(Host(triple=triple, cpu="", features="", half=True, fma=fma, avx512=avx512))
    # The sums, one row of moving, and one weight.
    assert registers // 2 <= block.rows * block.vectors + block.vectors + 1 <= registers


# --- transpose --------------------------------------------------------------------------------------------------------


@settings(few, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([d.float32, d.bfloat16, d.float8_e4m3, d.int32, d.uint8, d.int16]),
    rows=st.sampled_from([1, 2, 15, 16, 17, 33, 128]),
    free=st.sampled_from([(1,), (16,), (31,), (3, 7), (128,)]),
    gap=st.sampled_from([0, 3]),
    step=st.sampled_from([1, 2]),
)
def test_transpose_moves_bits(seed, dtype, rows, free, gap, step):
    tiles = Tiles()
    data = tiles.add(dtype, rows, free, gap=gap)
    dst = tiles.add(dtype, int(np.prod(free)), (rows,), step=step)
    source = tiles.machine.view(data)
    bits = np.random.default_rng(seed).integers(0, 256, (rows, int(np.prod(free)) * dtype.itemsize), np.uint8)
    source[...] = bits.view(dtype.storage).reshape(source.shape)
    before = tiles.others(dst)
    run("nc_transpose", LOWERING["nc_transpose"], {"dst": dst, "data": data}, {"engine": "tensor"}, tiles.machine)
    assert np.array_equal(tiles.others(dst), before)
    assert tiles.machine.view(dst).tobytes() == np.ascontiguousarray(bits.view(dtype.storage).T).tobytes()


def test_transpose_mode_follows_a_permutation_and_keeps_nan():
    generator = np.random.default_rng(2)
    tiles = Tiles()
    data, selector = tiles.add(d.bfloat16, 20, (33,)), tiles.add(d.bfloat16, 20, (20,))
    dst = tiles.add(d.bfloat16, 33, (20,))
    bits = generator.integers(0, 2**16, (20, 33), np.uint16)
    tiles.machine.view(data).view(np.uint16)[...] = bits
    order = generator.permutation(20)
    tiles.fill(selector, np.eye(20)[:, order])
    multiply(tiles, dst, data, selector, is_transpose=True)
    assert np.array_equal(tiles.machine.view(dst).view(np.uint16), bits[order].T)


def test_transpose_of_fp8_fills_the_upper_byte_with_zeros():
    tiles = Tiles()
    data, dst = tiles.add(d.float8_e4m3, 16, (9,)), tiles.add(d.bfloat16, 9, (16,))
    bits = np.random.default_rng(3).integers(0, 256, (16, 9), np.uint8)
    tiles.machine.view(data).view(np.uint8)[...] = bits
    run("nc_transpose", LOWERING["nc_transpose"], {"dst": dst, "data": data}, {"engine": "tensor"}, tiles.machine)
    assert np.array_equal(tiles.machine.view(dst).view(np.uint16), bits.T)
