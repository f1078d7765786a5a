"""The module names under which public kernels find this package: `nki`, `nki.language`, `neuronxcc.nki`, ...

Switched on explicitly: `nki_sim.compat.install()`, `python -m nki_sim.compat FILE` or `-m MODULE`, and by `nki-sim` for
the file it is given. Nothing is ever installed under those names.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
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
    """Import a Python file by path with the names installed; imports of files beside it work.

    The module bears the file's name, so that files beside it may import it, unless another module has that name
    already. Raises whatever the file raises.
    """
    install()
    path = path.resolve()
    name = _module_name(path)
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # there is a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    added = str(path.parent)
    sys.path.insert(0, added)
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        sys.path.remove(added)
    return module


def _module_name(path: Path) -> str:
    """The file's own name if nothing else has it: a kernel file called random.py must not become everybody's random."""
    stem = path.stem
    if stem.isidentifier() and stem not in sys.stdlib_module_names:
        present = sys.modules.get(stem)
        if present is not None:
            owner = getattr(present, "__file__", None)
        else:
            found = importlib.util.find_spec(stem)
            owner = str(path) if found is None else found.origin
        if owner == str(path):
            return stem
    return "nki_kernel_" + "".join(c if c.isalnum() else "_" for c in stem)


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.startswith("nki_sim") or getattr(module, "__nki_sim__", False)
