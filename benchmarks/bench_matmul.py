"""nc_matmul on the JIT engine against the FMA peak of one core, and NumPy on one thread for context.

Run with ``python -m benchmarks.bench_matmul``. What is timed is the engine running a program of `REPEATS` nc_matmul
instructions on the same tiles, loads included; the same program with one instruction and the way back is compared with
NumPy before anything is timed. Calls are kept shorter than a time slice of the operating system.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peak_fma import PeakFma
from benchmarks.report import interleaved, machine_line, ratio, spread
from nki_sim.engines.jit.runner import prepare
from nki_sim.program import dtypes
from nki_sim.program.dtypes import DType, from_float32, to_float32
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.targets import load

REPEATS = 16
ROUNDS = 15
CALLS = 8
SHAPE = (128, 128, 512)


class Products:
    """A program that loads stationary[K, M] and moving[K, N] and multiplies them into PSUM `repeats` times.

    bring_back   add the way back of the product, for `check`
    """

    def __init__(self, dtype: DType, repeats: int, bring_back: bool = False) -> None:
        depth, rows, columns = SHAPE
        self.flops = 2 * depth * rows * columns * repeats
        program = self._program = Program(name="products", target="trn2")
        stationary, moving = self._tensor("sbuf", (depth, rows), dtype), self._tensor("sbuf", (depth, columns), dtype)
        sums = self._tensor("psum", (rows, columns), dtypes.float32)
        copied = self._tensor("sbuf", (rows, columns), dtypes.float32)
        sources = [self._tensor("hbm", tile.shape, dtype) for tile in (stationary, moving)]
        result = self._tensor("hbm", copied.shape, dtypes.float32)
        for tile, source in zip((stationary, moving), sources, strict=True):
            self._load(tile, source)
        attributes: dict[str, Any] = {"accumulate": False, "is_transpose": False, "perf_mode": "none"}
        operands: dict[str, Any] = {"dst": sums.whole(), "stationary": stationary.whole(), "moving": moving.whole()}
        for _ in range(repeats):
            program.body.append(Instruction("nc_matmul", operands, attributes, "tensor"))
        if bring_back:
            way: dict[str, Any] = {"dst": copied.whole(), "src": sums.whole()}
            program.body.append(Instruction("tensor_copy", way, {"engine": None}, "vector"))
            self._load(result, copied)
        generator = np.random.default_rng(0)
        self.inputs = [
            from_float32(generator.normal(size=source.shape).astype(np.float32), dtype) for source in sources
        ]
        self.output: npt.NDArray[np.float32] = np.zeros(result.shape, np.float32)
        arrays = dict(zip((t.index for t in sources), self.inputs, strict=True)) | {result.index: self.output}
        runner = prepare(program, self._placement(), load("trn2"))
        self.run: Callable[[], None] = lambda: runner(arrays, print)

    def _tensor(self, space: Any, shape: tuple[int, ...], dtype: DType) -> TensorDecl:
        tensors = self._program.tensors
        buffer = "shared_hbm" if space == "hbm" else space
        tensors.append(TensorDecl(index=len(tensors), name="", space=space, buffer=buffer, shape=shape, dtype=dtype))
        return tensors[-1]

    def _load(self, dst: TensorDecl, src: TensorDecl) -> None:
        operands: dict[str, Any] = {"dst": dst.whole(), "src": src.whole()}
        attributes = {"oob_mode": "error", "dge_mode": None, "engine": None, "priority": None}
        self._program.body.append(Instruction("dma_copy", operands, attributes, "dma"))

    def _placement(self) -> dict[int, tuple[int, int]]:
        used = {"sbuf": 0, "psum": 0}
        places: dict[int, tuple[int, int]] = {}
        for tensor in self._program.tensors:
            if tensor.space != "hbm":
                places[tensor.index] = (0, used[tensor.space])
                used[tensor.space] += -(-tensor.bytes_per_partition // 64) * 64
        return places

    def check(self) -> None:
        """Raise AssertionError unless the program's result is the product."""
        self.run()
        stationary, moving = (to_float32(array).astype(np.float64) for array in self.inputs)
        magnitude = np.abs(stationary).T @ np.abs(moving)
        assert np.all(np.abs(self.output - stationary.T @ moving) <= stationary.shape[0] * 2.0**-23 * magnitude)


def main() -> None:
    print(machine_line())
    depth, rows, columns = SHAPE
    types = (dtypes.float32, dtypes.bfloat16)
    for dtype in types:
        Products(dtype, repeats=1, bring_back=True).check()
    cases = {str(dtype): Products(dtype, REPEATS) for dtype in types}
    peak = PeakFma()
    flops = cases["float32"].flops
    passes = flops // peak.flops_per_pass
    left, right = (to_float32(array) for array in cases["float32"].inputs)
    out = np.empty((rows, columns), np.float32)

    def with_numpy() -> None:
        for _ in range(REPEATS):
            np.matmul(left.T, right, out=out)

    actions: dict[str, Callable[[], object]] = {"peak": lambda: peak(passes), "NumPy float32": with_numpy}
    actions |= {name: case.run for name, case in cases.items()}
    seconds = interleaved(actions, ROUNDS, CALLS)
    print(f"nc_matmul {depth}x{rows}x{columns}, one core, medians of {ROUNDS} rounds of {REPEATS} instructions")
    for name in ("float32", "bfloat16", "NumPy float32", "peak"):
        low, high = (flops / value / 1e9 for value in reversed(spread(seconds[name])))
        share = ratio(seconds["peak"], seconds[name])
        rate, each = flops / median(seconds[name]) / 1e9, median(seconds[name]) / REPEATS * 1e6
        print(f"  {name:14s} {share:5.2f} x peak   {rate:6.1f} GFLOP/s ({low:.1f} to {high:.1f})   {each:6.1f} us each")


if __name__ == "__main__":
    main()
