"""as_array: arrays of other libraries as NumPy arrays over the same memory. No such library is imported here."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from nki_sim.program.dtypes import dtype_of

# torch hands NumPy only the types NumPy has; the others travel as integers of the same size.
_CARRIERS = {1: "uint8", 2: "int16"}


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """`value`, which has __array__, as a NumPy array: shared memory where the library allows it.

    A torch tensor is detached; bfloat16 and float8, which NumPy lacks, come as the types of ml_dtypes. Raises what the
    library raises for a tensor that is not in this machine's memory.
    """
    if isinstance(value, np.ndarray):
        return value
    name = str(getattr(value, "dtype", ""))
    if not name.startswith("torch."):
        return np.asarray(value)
    plain = value.detach()
    try:
        storage = dtype_of(name).storage
    except TypeError:
        return np.asarray(plain)  # float64 and its like: refused by name later
    if storage.isbuiltin == 1:
        return np.asarray(plain)
    carrier = getattr(sys.modules["torch"], _CARRIERS[storage.itemsize])
    return np.asarray(plain.view(carrier)).view(storage)
