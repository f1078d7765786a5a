"""The module names under which public kernels find this package: `nki`, `nki.language`, `neuronxcc.nki`, ...

Switched on explicitly: `nki_sim.compat.install()`, `python -m nki_sim.compat FILE` or `-m MODULE`, and by `nki-sim` for
the file it is given. Nothing is ever installed under those names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from nki_sim.compat.modules import build
from nki_sim.kernel_file import import_file


def install(*, force: bool = False) -> None:
    """Make `import nki` and `import neuronxcc.nki` mean nki_sim in this process.

    Raises RuntimeError when a real `nki` is already imported, unless `force`.
    """
    for name, module in build().items():
        present = sys.modules.get(name)
        if present is not None and not _is_ours(present) and not force:
            raise RuntimeError(f"{name} is already imported from {getattr(present, '__file__', '?')}; pass force=True")
        if present is None or force or _is_ours(present):
            sys.modules[name] = module


def uninstall() -> None:
    """Take the names away again; modules that hold them keep them."""
    for name in build():
        present = sys.modules.get(name)
        if present is not None and _is_ours(present):
            del sys.modules[name]


def load_file(path: Path) -> ModuleType:
    """Import a Python file by path with the names installed; see kernel_file.import_file."""
    install()
    return import_file(path)


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.startswith("nki_sim") or getattr(module, "__nki_sim__", False)
