"""Machine code on disk: object files by batch, and for each signature the batch that holds it.

Everything lies in one directory per *fingerprint* (sources of the code generator, llvmlite, LLVM, host CPU and
features), so a changed generator or another machine never meets old code. Writes go to a temporary file that is
renamed; a file that is short, damaged or unreadable counts as absent.

``NKI_SIM_CACHE_DIR`` moves the cache; ``NKI_SIM_CACHE_DIR=off`` turns it off.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

import llvmlite
import platformdirs
from llvmlite import binding

from nki_sim.engines.jit.host import host
from nki_sim.engines.jit.lowering import FAMILIES

_MAGIC = b"nki_sim object 1\n"
_DIGEST_BYTES = 32


def digest(text: str) -> str:
    """The name of a signature: 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def fingerprint() -> str:
    """Names everything but the signature that machine code depends on."""
    total = hashlib.sha256()
    for package in ("nki_sim.engines.jit", *(f"nki_sim.instructions.{family}" for family in FAMILIES)):
        for source in sorted(files(package).iterdir(), key=lambda entry: entry.name):
            if source.name.endswith(".py") and (package.endswith(".jit") or source.name == "lowering.py"):
                total.update(source.name.encode())
                total.update(source.read_bytes())
    this = host()
    for part in (llvmlite.__version__, str(binding.llvm_version_info), this.triple, this.cpu, this.features):
        total.update(part.encode())
    return total.hexdigest()[:32]


class ObjectCache:
    """The objects under `directory`; None keeps nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def batch_of(self, name: str) -> str | None:
        """The batch that holds the signature `name`."""
        text = self._read(name + ".ref")
        if text is None or len(text) != _DIGEST_BYTES:
            return None
        return text.decode("ascii", "replace")

    def load(self, batch: str) -> bytes | None:
        """The object file of a batch."""
        data = self._read(batch + ".obj")
        head = len(_MAGIC) + _DIGEST_BYTES
        if data is None or len(data) <= head or not data.startswith(_MAGIC):
            return None
        body = data[head:]
        return body if hashlib.sha256(body).digest() == data[len(_MAGIC) : head] else None

    def store(self, batch: str, names: list[str], body: bytes) -> None:
        """Keep an object file that holds the signatures `names`. On a full or read-only disk nothing is kept."""
        if self._directory is None:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._write(batch + ".obj", _MAGIC + hashlib.sha256(body).digest() + body)
            for name in names:
                self._write(name + ".ref", batch.encode())
        except OSError:
            return

    def _read(self, name: str) -> bytes | None:
        if self._directory is None:
            return None
        try:
            return (self._directory / name).read_bytes()
        except OSError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        assert self._directory is not None
        handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, self._directory / name)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise


def user_cache() -> ObjectCache:
    """The cache of this user and this machine."""
    chosen = os.environ.get("NKI_SIM_CACHE_DIR")
    if chosen == "off":
        return ObjectCache(None)
    base = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("nki_sim"))
    return ObjectCache(base / "jit" / fingerprint())
