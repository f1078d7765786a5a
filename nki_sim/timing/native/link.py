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
from nki_sim.timing.native.kinds import fields_of
from nki_sim.timing.native.translate import CONTEXT_WORDS, module_text

Numbers = npt.NDArray[np.int64]

_CHUNK_BYTES = 1 << 20
_MORE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)


class Memory:
    """What compiled code works on lives here, and goes all at once. `context` is the address every function takes."""

    def __init__(self) -> None:
        # What was put here by the identity of what it was made of, which is kept for that.
        self._images: dict[int, tuple[Any, Numbers]] = {}
        self._context = np.zeros(CONTEXT_WORDS, np.int64)
        self._chunks: list[Numbers] = []
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

    def put(self, one: Any) -> int:
        """The address of a copy of an object, with all that its fields lead to. Arrays are shared, not copied."""
        if isinstance(one, np.ndarray):
            self._images[id(one)] = one, one
            return int(one.ctypes.data)
        known = self._images.get(id(one))
        if known is not None:
            return int(known[1].ctypes.data)
        made: Any = type(one)
        fields = None if made is list else fields_of(made)
        members = one if fields is None else [getattr(one, name) for name in fields]
        image = np.zeros(max(1, len(members)), np.int64)
        self._images[id(one)] = one, image
        for place, member in enumerate(members):
            if isinstance(member, (int, float)):
                # By the field's kind, as a whole number will do for a float.
                is_float = fields is not None and list(fields.values())[place][1] is float
                image.view(np.float64 if is_float else np.int64)[place] = member
            elif member is not None:
                image[place] = self.put(member)
        return int(image.ctypes.data)

    def fetch(self, one: Any) -> None:
        """Set the numbers in the fields of an object that was put to what code has made of them."""
        image = self._images[id(one)][1]
        made: Any = type(one)
        for name, (place, kind, _) in fields_of(made).items():
            if kind in (int, bool):
                setattr(one, name, kind(image[place]))
            elif kind is float:
                setattr(one, name, float(image.view(np.float64)[place]))


def load(functions: Sequence[Callable[..., Any]], source: str) -> tuple[dict[str, int], Library]:
    """Where the code of each function is, by name, and what has to be kept as long; `source` is all it is made of."""
    names = [function.__qualname__ for function in functions]
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
