"""Inputs of the kernels that are timed: only their shapes and types matter."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt


def single(*shape: int) -> npt.NDArray[np.float32]:
    return np.zeros(shape, np.float32)


def half(*shape: int) -> npt.NDArray[Any]:
    return np.zeros(shape, ml_dtypes.bfloat16)
