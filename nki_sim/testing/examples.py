"""Example inputs declared beside a kernel, and the loader that finds them in a file.

A kernel file declares, at module level,

    EXAMPLES = {"softmax": Example(inputs=lambda rng: (rng.standard_normal((512, 2048)),), reference=reference)}

so that `nki-sim run FILE::softmax` has something to run and to compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nki_sim.kernel_file import import_file
from nki_sim.testing.tolerance import Tolerance


@dataclass(frozen=True, kw_only=True)
class Example:
    """Inputs for one kernel, and what it should compute.

    inputs      called with a NumPy random generator, returns the kernel's arguments (arrays or static values)
    reference   takes the same arguments, floating-point arrays as float64; None when there is none
    tolerance   None takes the default of nki_sim.testing.tolerance
    """

    inputs: Callable[[np.random.Generator], tuple[Any, ...]]
    reference: Callable[..., Any] | None = None
    tolerance: Tolerance | None = None

    def draw(self, seed: int = 0) -> tuple[Any, ...]:
        """The arguments for `seed`: the same every time."""
        return tuple(self.inputs(np.random.default_rng(seed)))


@dataclass(frozen=True, kw_only=True)
class NamedExample:
    """A kernel of a file together with its example."""

    name: str
    kernel: Callable[..., Any]
    example: Example


def examples_in(module: ModuleType) -> dict[str, NamedExample]:
    """The examples that `module` declares, by kernel name; empty when it declares none.

    Raises TypeError for a declaration that is not an Example, and KeyError for one that names no kernel of the module.
    """
    found: dict[str, NamedExample] = {}
    for name, example in getattr(module, "EXAMPLES", {}).items():
        if not isinstance(example, Example):
            raise TypeError(f"EXAMPLES[{name!r}] in {module.__file__} is not an nki_sim.testing.Example")
        if not hasattr(module, name):
            raise KeyError(f"EXAMPLES in {module.__file__} names {name!r}, which the file does not define")
        found[name] = NamedExample(name=name, kernel=getattr(module, name), example=example)
    return found


def load_examples(path: Path | str) -> dict[str, NamedExample]:
    """The examples that the kernel file at `path` declares, by kernel name."""
    return examples_in(import_file(Path(path)))
