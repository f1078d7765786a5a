"""Rates of specialising, checking and timing; and the first call of a process, without and with caches."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.bench_calls import long_chain
from benchmarks.report import machine_line
from kernels.matmul import matmul_tiled
from nki_sim import checks, memory, targets
from nki_sim.frontend.specialise import specialise
from nki_sim.timing import simulate

ROUNDS = 5

_FIRST_CALL = """
import time; start = time.perf_counter()
import numpy as np
from kernels.{module} import {name}
imported = time.perf_counter()
{name}(*[np.ones(s, np.float32) for s in {shapes}])
print(imported - start, time.perf_counter() - imported)
"""


def rate(action: Callable[[], int]) -> float:
    """Instructions per second: the median over ROUNDS of what `action` returns by the time it takes."""
    rates = []
    for _ in range(ROUNDS):
        start = perf_counter()
        count = action()
        rates.append(count / (perf_counter() - start))
    return median(rates)


def stages(title: str, kernel: Any, *arrays: Any) -> None:
    """Print the rates of the stages for one kernel."""
    arguments = kernel._bind(arrays, {})
    target = targets.load("trn2")

    def trace() -> Any:
        return specialise(
            kernel.function, arguments.values, call=lambda bound: kernel.function(**bound), target=target,
            dialect="nki", name=kernel.name,
        )[0]  # fmt: skip

    program = trace()
    count = len(program)
    allocation = memory.allocate(program, target)
    checks.run(program, target, allocation)

    def check() -> int:
        fresh = memory.allocate(program, target)
        checks.run(program, target, fresh)
        return count

    def time_it() -> int:
        simulate(program, allocation.placement, target)
        return count

    print(f"  {title} ({count:,} instructions)")
    print(f"    specialise        {rate(lambda: len(trace())):10,.0f} instructions/s (aim 50,000)")
    print(f"    allocate, check   {rate(check):10,.0f} instructions/s")
    print(f"    timing model      {rate(time_it):10,.0f} instructions/s (aim 200,000)")


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
    print("stages, medians over rounds")
    stages("chain on 128x64 tiles", long_chain, np.ones((128, 64), np.float32))
    stages(
        "tiled matmul 1024x1024x2048",
        matmul_tiled,
        np.ones((1024, 1024), np.float32),
        np.ones((1024, 2048), np.float32),
    )
    print("first call in a new process: empty caches, then the caches the first one left")
    first_call("tensor_add", "tensor_add", "[(128, 512)] * 2")
    first_call("softmax", "softmax", "[(128, 512)]")
    first_call("flash_attention", "flash_attention", "[(512, 128)] * 3")


if __name__ == "__main__":
    main()
