"""What the machine we run on can do, as far as generated code cares."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache

from llvmlite import binding

lock = threading.RLock()
"""Held around every use of LLVM: llvmlite works in one global LLVM context."""


@dataclass(frozen=True, slots=True)
class Host:
    """triple, cpu and features as LLVM names them; half: fp16 conversion instructions; fma: fused multiply-add."""

    triple: str
    cpu: str
    features: str
    half: bool
    fma: bool
    avx512: bool


@cache
def host() -> Host:
    with lock:
        _initialise()
        triple = binding.get_default_triple()
        arm = triple.startswith(("aarch64", "arm64"))
        found = binding.get_host_cpu_features()
        return Host(
            triple=triple,
            cpu=binding.get_host_cpu_name(),
            features=found.flatten(),
            half=arm or bool(found.get("f16c")),
            fma=arm or bool(found.get("fma")),
            avx512=bool(found.get("avx512f")) and bool(found.get("avx512bw")) and bool(found.get("avx512vl")),
        )


@cache
def target_machine() -> binding.TargetMachine:
    """The machine that all code of the engine is made with. Not for an execution engine: that would dispose of it."""
    return create_target_machine()


def create_target_machine() -> binding.TargetMachine:
    """Generates code for this host; position independent, so that objects load anywhere."""
    with lock:
        this = host()
        target = binding.Target.from_triple(this.triple)
        return target.create_target_machine(cpu=this.cpu, features=this.features, opt=2, reloc="pic", codemodel="small")


def _initialise() -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
