"""The module names under which public kernels find this package: `nki`, `nki.language`, `neuronxcc.nki`, ...

Switched on explicitly: `nki_sim.compat.install()`, `python -m nki_sim.compat FILE` or `-m MODULE`, and by `nki-sim` for
the file it is given. Nothing is ever installed under those names.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from nki_sim.compat.modules import build


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
    """Import a Python file by path with the names installed; imports of files beside it work."""
    install()
    path = path.resolve()
    name = (
        path.stem if path.stem.isidentifier() else "nki_kernel_" + "".join(c if c.isalnum() else "_" for c in path.stem)
    )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    added = str(path.parent)
    sys.path.insert(0, added)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        sys.path.remove(added)
    return module


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.startswith("nki_sim") or getattr(module, "__nki_sim__", False)
