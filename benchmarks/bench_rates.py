"""Rates of specialising, checking and timing, in CPU time; the first call of a process, without and with caches."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.bench_calls import long_chain
from benchmarks.report import machine_line
from kernels.flash_attention import flash_attention
from kernels.matmul import matmul_blocked, matmul_tiled
from nki_sim import checks, kernel, memory, targets
from nki_sim.frontend.specialise import specialise
from nki_sim.language.tensor import ndarray
from nki_sim.memory.accesses import flatten
from nki_sim.program.collection import no_collection
from nki_sim.timing import compiled, simulate
from nki_sim.timing.plan import prepare
from nki_sim.timing.schedule import Scheduler

ROUNDS = 5

_FIRST_CALL = """
import time; start = time.perf_counter()
import numpy as np
from kernels.{module} import {name}
imported = time.perf_counter()
{name}(*[np.ones(s, np.float32) for s in {shapes}])
print(imported - start, time.perf_counter() - imported)
"""


@kernel
def thousand_passes(x):  # type: ignore[no-untyped-def]
    """A dynamic loop of x.shape[0] passes: a row is loaded, doubled and stored in each."""
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    for row in nl.dynamic_range(x.shape[0]):
        tile = nl.ndarray((128, x.shape[2]), x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[row])
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=out[row], src=tile)
    return out


def rate(action: Callable[[], int]) -> float:
    """Instructions per second of CPU time: the median over ROUNDS of what `action` returns by the time it takes."""
    rates = []
    for _ in range(ROUNDS):
        start = process_time()
        with no_collection():  # as in a call
            count = action()
        rates.append(count / (process_time() - start))
    return median(rates)


def seconds_of(action: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of one call, and what it returned."""
    start = process_time()
    found = action()
    return process_time() - start, found


def stages(title: str, kernel: Any, *arrays: Any) -> None:
    """Print the rates of the stages for one kernel."""
    arguments = kernel._bind(arrays, {})
    target = targets.load("trn2")

    def trace() -> Any:
        return specialise(
            kernel.function, arguments.values, call=lambda bound: kernel.function(**bound),
            tensor_of=ndarray.view_of, target=target,
            dialect="nki", name=kernel.name,
        )[0]  # fmt: skip

    program = trace()
    count = len(program)
    allocation = memory.allocate(program, target)
    checks.run(program, target, allocation)

    def check() -> int:
        flat = flatten(program)
        fresh = memory.allocate(program, target, flat=flat)
        checks.run(program, target, fresh, flat=flat)
        return count

    def time_it() -> int:
        """With the compiled model: a process that simulates little never loads it (nki_sim.timing.compiled)."""
        simulate(program, allocation.placement, target)
        return count

    def time_in_python() -> int:
        plan = prepare(program, allocation.placement, target, compiled=False)
        Scheduler(plan, compiled=False).run()
        return count

    print(f"  {title} ({count:,} instructions)")
    print(f"    specialise        {rate(lambda: len(trace())):10,.0f} instructions/s (aim 50,000)")
    print(f"    allocate, check   {rate(check):10,.0f} instructions/s")
    print(f"    timing model      {rate(time_it):10,.0f} instructions/s (aim 200,000)")
    print(f"      before its code is loaded {rate(time_in_python):,.0f} instructions/s")


def whole_profiles() -> None:
    """Print what it takes from the call to the profile for a long kernel, and for a loop that the device repeats."""
    left, right = (np.broadcast_to(np.zeros(1, ml_dtypes.bfloat16), (8192, n)) for n in (4096, 8192))
    seconds, program = seconds_of(lambda: matmul_blocked.program(left, right))
    matmuls = sum(one.op == "nc_matmul" for one in program.instructions())
    more, _ = seconds_of(lambda: matmul_blocked.profile(left, right))
    print(f"  {matmuls:,} matmuls        specialise and check {seconds:.2f} s, profile {more:.2f} s more")
    rows = np.ones((1000, 128, 64), np.float32)
    thousand_passes.program(rows)
    seconds, found = seconds_of(lambda: thousand_passes.profile(rows))
    steps = int(found.run.counts.sum())
    print(f"  1,000 passes of a loop  profile {seconds:.3f} s for {steps:,} steps")


def first_call(module: str, name: str, shapes: str) -> None:
    """Print import and first-call times in a new process, without and with the caches on disk."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        texts = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", _FIRST_CALL.format(module=module, name=name, shapes=shapes)],
                capture_output=True, text=True, check=True, env=environment,
            )  # fmt: skip
            texts.append([float(word) for word in done.stdout.split()])
    (cold_import, cold), (_, warm) = texts
    print(f"  {name:16s} import {cold_import:.2f} s, first call {cold:.2f} s; in the next process {warm:.2f} s")


def main() -> None:
    print(machine_line())
    loading, _ = seconds_of(compiled.code)
    print(f"LLVM and the code of the timing model loaded in {loading:.2f} s")
    print("stages, medians over rounds")
    stages("chain on 128x64 tiles", long_chain, np.ones((128, 64), np.float32))
    stages(
        "tiled matmul 1024x1024x2048",
        matmul_tiled,
        np.ones((1024, 1024), np.float32),
        np.ones((1024, 2048), np.float32),
    )
    stages("flash attention 4096x128", flash_attention, *[np.ones((4096, 128), np.float32)] * 3)
    print("from the call to the profile, once")
    whole_profiles()
    print("first call in a new process: empty caches, then the caches the first one left")
    first_call("tensor_add", "tensor_add", "[(128, 512)] * 2")
    first_call("softmax", "softmax", "[(128, 512)]")
    first_call("flash_attention", "flash_attention", "[(512, 128)] * 3")


if __name__ == "__main__":
    main()
