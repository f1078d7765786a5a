"""What all benchmarks share: the machine's line, interleaved timing, and ratios by medians."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import perf_counter


def machine_line() -> str:
    """One line that says what the figures were measured on."""
    import llvmlite
    import numpy

    from nki_sim.engines.jit.host import host

    return (
        f"{processor_name()}, {os.cpu_count()} cores visible, LLVM host cpu {host().cpu}, "
        f"Python {platform.python_version()}, NumPy {numpy.__version__}, llvmlite {llvmlite.__version__}"
    )


def processor_name() -> str:
    """The processor as the operating system names it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def interleaved(
    actions: Mapping[str, Callable[[], object]], rounds: int = 15, calls: int = 5
) -> dict[str, list[float]]:
    """Seconds per call of each action, one figure per round: the best of `calls` calls.

    Every round runs all actions one after the other, so that a change of clock speed or a busy neighbour meets all of
    them; compare figures of the same round. The best of a few calls leaves out those another process cut in two. One
    round before the first is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds + 1):
        for name, action in actions.items():
            best = float("inf")
            for _ in range(calls):
                start = perf_counter()
                action()
                best = min(best, perf_counter() - start)
            if number:
                seconds[name].append(best)
    return seconds


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """The median of the quotients, round by round."""
    return median(n / d for n, d in zip(numerator, denominator, strict=True))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Lower and upper quartile."""
    ordered = sorted(values)
    return ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
