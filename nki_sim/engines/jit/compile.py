"""Signatures to machine code: emit IR, optimise, link; in memory first, then on disk, then the compiler.

New signatures of one program share a module, which is freed as soon as its object file exists. Floating point is
strict: no fast-math flags, no contraction, so that code gives the bits the reference gives.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from llvmlite import binding, ir

from nki_sim.engines.jit.cache import ObjectCache, digest, user_cache
from nki_sim.engines.jit.context import Context
from nki_sim.engines.jit.control import BUILTINS
from nki_sim.engines.jit.host import host, lock, target_machine
from nki_sim.engines.jit.layout import Signature
from nki_sim.engines.jit.lowering import lowerings
from nki_sim.engines.jit.types import INT64, POINTER

FUNCTION_TYPE = ir.FunctionType(INT64, [POINTER, POINTER, INT64])

# Functions kept for programs to come; running programs hold their own.
RESIDENT_FUNCTIONS = 4096
BATCH_SIGNATURES = 64


class Library:
    """Linked machine code of one batch; unloaded when the last function of it is forgotten.

    Each library has an LLJIT of its own: closing one gives back all of its memory, while libraries closed inside a
    shared LLJIT leave some kilobytes behind each time.
    """

    def __init__(self, body: bytes, names: Iterable[str]) -> None:
        with lock:
            jit = binding.create_lljit_compiler(target_machine(), use_jit_link=False)
            builder = binding.JITLibraryBuilder().add_object_img(body).add_current_process()
            names = list(names)
            for name in names:
                builder.export_symbol(name)
            tracker = builder.link(jit, "batch")
            self.addresses: dict[str, int] = {name: tracker[name] for name in names}
        # At exit nothing needs unloading, and LLVM may be gone by then.
        weakref.finalize(self, _unload, tracker, jit).atexit = False


def _unload(tracker: Any, jit: Any) -> None:
    with lock:
        tracker.close()
        jit.close()


@dataclass(frozen=True, eq=False, slots=True)
class Code:
    """A compiled function: its address, and the library that must live as long."""

    address: int
    library: Library


@dataclass(slots=True)
class Compiled:
    """What `functions` did: for tests and for --verbose."""

    codes: list[Code]
    from_memory: int = 0
    from_disk: int = 0
    compiled: int = 0


@dataclass(slots=True)
class CodeStore:
    """Compiled functions by signature name."""

    cache: ObjectCache
    _resident: OrderedDict[str, Code] = field(default_factory=OrderedDict)

    def functions(self, signatures: list[Signature]) -> Compiled:
        """Machine code for each signature, in order."""
        names = [digest(signature.text()) for signature in signatures]
        with lock:
            found: dict[str, Code] = {}
            missing: dict[str, Signature] = {}
            report = Compiled([])
            for name, signature in zip(names, signatures, strict=True):
                code = self._resident.get(name)
                if code is not None:
                    self._resident.move_to_end(name)
                    found[name] = code
                    report.from_memory += 1
                else:
                    missing[name] = signature
            report.from_disk = len(missing)
            self._from_disk(missing, found)
            report.compiled = len(missing)
            report.from_disk -= len(missing)
            todo = list(missing.items())
            for first in range(0, len(todo), BATCH_SIGNATURES):
                batch = dict(todo[first : first + BATCH_SIGNATURES])
                body = object_code(batch)
                batch_name = digest(" ".join(batch))
                self.cache.store(batch_name, list(batch), body)
                self._keep(Library(body, batch), list(batch), found)
            report.codes = [found[name] for name in names]
        return report

    def _from_disk(self, missing: dict[str, Signature], found: dict[str, Code]) -> None:
        batches: dict[str, list[str]] = {}
        for name in missing:
            batch = self.cache.batch_of(name)
            if batch is not None:
                batches.setdefault(batch, []).append(name)
        for batch, names in batches.items():
            body = self.cache.load(batch)
            if body is None:
                continue
            try:
                library = Library(body, names)
            except (RuntimeError, KeyError):
                # Damaged in a way the checksum cannot see, or a stale reference: compile anew.
                continue
            self._keep(library, names, found)
            for name in names:
                del missing[name]

    def _keep(self, library: Library, names: list[str], found: dict[str, Code]) -> None:
        for name in names:
            found[name] = self._resident[name] = Code(library.addresses[name], library)
        while len(self._resident) > RESIDENT_FUNCTIONS:
            self._resident.popitem(last=False)


@lru_cache(maxsize=1)
def code_store() -> CodeStore:
    """The store shared by all programs of this process."""
    return CodeStore(user_cache())


def emitter(signature: Signature) -> Callable[[Context], None]:
    builtin = BUILTINS.get(signature.op)
    return builtin if builtin is not None else lowerings()[signature.op].emit


def module_for(signatures: Mapping[str, Signature]) -> ir.Module:
    """One module with a function per signature, named by the keys."""
    module = ir.Module("nki_sim")
    module.triple = host().triple
    module.data_layout = _data_layout()
    for name, signature in signatures.items():
        function = ir.Function(module, FUNCTION_TYPE, name)
        function.attributes.add("nounwind")
        context = Context(function, signature)
        emitter(signature)(context)
        context.finish()
    return module


@lru_cache(maxsize=1)
def _data_layout() -> str:
    return str(target_machine().target_data)


def object_code(signatures: Mapping[str, Signature]) -> bytes:
    """The object file of `module_for`."""
    with lock:
        parsed = binding.parse_assembly(str(module_for(signatures)))
        try:
            parsed.verify()
            optimise(parsed)
            return bytes(target_machine().emit_object(parsed))
        finally:
            parsed.close()


def optimise(module: Any) -> None:
    """What generated code needs: variables into registers, common subexpressions, dead code, simple control flow.

    LLVM's whole -O2 takes ten times as long, gives code that runs no faster (lowerings hoist and vectorise themselves,
    and the code generator reduces strength), and keeps 60 kB per module for ever.
    """
    passes = binding.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    passes.add_aggressive_dce_pass()
    passes.run(module, _pass_builder())
    passes.close()


@lru_cache(maxsize=1)
def _pass_builder() -> Any:
    """Made once: it can serve any number of pass managers."""
    return binding.create_pass_builder(target_machine(), binding.create_pipeline_tuning_options(speed_level=2))
