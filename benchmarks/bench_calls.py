"""Whole kernel calls: the JIT engine against the reference engine, and what a warm call costs beyond its work."""

from __future__ import annotations

from statistics import median
from typing import Any

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.report import interleaved, machine_line, ratio
from kernels.flash_attention import flash_attention
from kernels.softmax import softmax
from kernels.tensor_add import tensor_add
from nki_sim import kernel

CHAIN = 10_000
ROUNDS = 5


@kernel
def long_chain(x):  # type: ignore[no-untyped-def]
    """A chain of CHAIN instructions on 128 x 64 tiles, alternating between four operations."""
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    one = nl.load(x)
    two = nl.load(x)
    for _ in range(CHAIN // 4):
        nisa.tensor_tensor(dst=two, data1=one, data2=two, op=nl.add)
        nisa.tensor_scalar(dst=one, data=two, op0=nl.multiply, operand0=0.5)
        nisa.tensor_scalar(dst=two, data=two, op0=nl.minimum, operand0=2.0)
        nisa.tensor_copy(dst=one, src=two)
    nl.store(out, one)
    return out


def compare(title: str, target: Any, *args: Any, aim: float, rounds: int = ROUNDS, calls: int = 3) -> None:
    """Print how many times faster a warm JIT call is than the reference engine on the same arguments."""
    jit, reference = target.with_options(engine="jit"), target.with_options(engine="reference")
    jit(*args)
    reference(*args)
    seconds = interleaved({"jit": lambda: jit(*args), "reference": lambda: reference(*args)}, rounds, calls)
    times = ratio(seconds["reference"], seconds["jit"])
    jit_ms, reference_ms = median(seconds["jit"]) * 1e3, median(seconds["reference"]) * 1e3
    print(f"  {title:44s} {times:7.1f} x faster (aim {aim:g})   JIT {jit_ms:.3f} ms, reference {reference_ms:.2f} ms")


def overhead() -> None:
    """A warm tensor_add call against the NumPy addition of the same arrays, and its cost for one element."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((128, 512), dtype=np.float32) for _ in range(2))
    tiny = np.ones((1, 1), np.float32)
    tensor_add(a, b)
    tensor_add(tiny, tiny)
    seconds = interleaved(
        {"call": lambda: tensor_add(a, b), "tiny": lambda: tensor_add(tiny, tiny), "numpy": lambda: a + b}, 15, 20
    )
    call, small, plain = (median(seconds[name]) * 1e6 for name in ("call", "tiny", "numpy"))
    print(f"  tensor_add 128x512 float32, warm call        {call:7.1f} us ({call / plain:.1f} x NumPy's a + b)")
    print(f"  tensor_add of one element, warm call         {small:7.1f} us: what a call costs beyond its work")


def main() -> None:
    print(machine_line())
    print("warm calls, JIT against the reference engine, medians of interleaved rounds")
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((128, 512), dtype=np.float32)
    compare("softmax 128x512 float32", softmax, rows, aim=8)
    compare("softmax 128x512 bfloat16", softmax, rows.astype(ml_dtypes.bfloat16), aim=8)
    query, key, value = (rng.standard_normal((2048, 128), dtype=np.float32) for _ in range(3))
    compare("flash attention 2048x128 float32, causal", flash_attention, query, key, value, aim=4, rounds=3, calls=1)
    compare(f"{CHAIN:,} instructions on 128x64 tiles", long_chain, rows[:, :64].copy(), aim=20, rounds=3, calls=1)
    overhead()


if __name__ == "__main__":
    main()
