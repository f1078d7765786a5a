"""no_collection: hold Python's cycle collector off while many objects are made that will all be kept.

A program of 100,000 instructions is a million objects; the collector would walk all of them again and again and find
nothing, which more than doubles the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Within this block no cycles are collected; afterwards things are as they were before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
