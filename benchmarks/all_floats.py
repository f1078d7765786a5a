"""The error of one JIT function on every float32 there is: ``python -m benchmarks.all_floats exp`` (minutes)."""

from __future__ import annotations

import sys

import numpy as np

from nki_sim.engines.jit.maths import UNARY
from nki_sim.instructions.activations import activate
from tests.jit.maths_harness import VectorMaths
from tests.jit.test_maths import ulps

CHUNK = 1 << 24
LANES = 16


def main(name: str) -> None:
    """Print the largest error in units in the last place, and on how many inputs there is one."""
    if name not in UNARY:
        sys.exit(f"no function {name!r}; there are {', '.join(sorted(UNARY))}")
    vector, worst, off = VectorMaths(LANES), 0, 0
    for start in range(0, 1 << 32, CHUNK):
        x = np.arange(start, start + CHUNK, dtype=np.uint64).astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            distance = ulps(vector(name, x), activate(name, x))
        worst, off = max(worst, int(distance.max())), off + int((distance > 0).sum())
    print(f"{name}: at most {worst} ulp, {off:,} of {1 << 32:,} inputs not correctly rounded")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "exp")
