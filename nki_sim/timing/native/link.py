"""Link: machine code of translated functions, from the user's cache or LLVM; and memory for what the code makes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import binding

from nki_sim.engines.jit.cache import digest, user_cache
from nki_sim.engines.jit.compile import Library, optimise
from nki_sim.engines.jit.host import lock, target_machine
from nki_sim.timing.native.translate import CONTEXT_WORDS, module_text

_CHUNK_BYTES = 1 << 20
_MORE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)


class Memory:
    """What compiled code makes lives here, and goes all at once. `context` is the address every function takes."""

    def __init__(self) -> None:
        self._context = np.zeros(CONTEXT_WORDS, np.int64)
        self._chunks: list[npt.NDArray[np.int64]] = []
        # Kept, as the code knows only its address.
        self._more = _MORE(self._give)
        self._context[2] = ctypes.cast(self._more, ctypes.c_void_p).value or 0
        self.context = int(self._context.ctypes.data)

    def _give(self, size_bytes: int) -> int:
        chunk = np.empty(max(_CHUNK_BYTES, size_bytes) // 8, np.int64)
        self._chunks.append(chunk)
        start = int(chunk.ctypes.data)
        self._context[0] = start + size_bytes
        self._context[1] = start + chunk.nbytes
        return start


def load(functions: Sequence[Callable[..., Any]], source: str) -> tuple[dict[str, int], Library]:
    """Where the code of each function is, by name, and what has to be kept as long; `source` is all it is made of."""
    names = [function.__name__ for function in functions]
    kept = user_cache()
    name = digest(source)
    body = kept.load(name)
    if body is not None:
        try:
            library = Library(body, names)
            return library.addresses, library
        except (RuntimeError, KeyError):
            # Damaged in a way the checksum cannot see: compile anew.
            pass
    body = object_code(functions)
    kept.store(name, [], body)
    library = Library(body, names)
    return library.addresses, library


def object_code(functions: Sequence[Callable[..., Any]]) -> bytes:
    """The object file of the functions."""
    with lock:
        parsed = binding.parse_assembly(module_text(functions))
        try:
            parsed.verify()
            optimise(parsed)
            return bytes(target_machine().emit_object(parsed))
        finally:
            parsed.close()
