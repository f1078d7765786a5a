"""import_file: a kernel file as a module, by path."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType


def import_file(path: Path) -> ModuleType:
    """Import a Python file by path; its imports of files beside it work.

    The module bears the file's name, so that files beside it may import it, unless another module has that name
    already. Raises whatever the file raises, FileNotFoundError when there is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
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
