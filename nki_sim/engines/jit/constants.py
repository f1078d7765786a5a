"""Constants of instructions as bit patterns, worked out in NumPy when the table is built."""

from __future__ import annotations

import numpy as np

from nki_sim.program.dtypes import DType, from_float32


def pattern_of(value: float | int, dtype: DType) -> int:
    """`value` as the unsigned bit pattern of one `dtype` element: whole numbers exactly, all else through float32."""
    if dtype.is_integer and float(value).is_integer():
        limits = np.iinfo(dtype.storage)
        stored = np.array(min(max(int(value), int(limits.min)), int(limits.max)), dtype.storage)
    else:
        with np.errstate(over="ignore"):
            stored = np.asarray(from_float32(np.array(np.float32(value)), dtype))
    return int(stored.reshape(1).view(f"u{dtype.itemsize}")[0])
