"""Benchmarks: each module runs with ``python -m benchmarks.NAME`` and prints what it measured, ratios first.

BLAS gets one thread, for comparisons of one core with one core; that has to be said before NumPy is imported.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
