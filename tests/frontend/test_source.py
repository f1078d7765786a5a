"""Finding the text of functions, and the functions that a kernel reaches."""

from __future__ import annotations

import functools
import importlib.util
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from nki_sim.diagnostics.model import LanguageError
from nki_sim.frontend.reach import reachable, reachable_classes, unwrap
from nki_sim.frontend.source import SourceUnit, units_in_module


@pytest.fixture
def load(tmp_path: Path) -> Iterator[object]:
    """``load(name, text)`` imports a module written to a file; gone after the test."""
    loaded: list[str] = []

    def write_and_import(name: str, text: str) -> ModuleType:
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loaded.append(name)
        spec.loader.exec_module(module)
        return module

    yield write_and_import
    for name in loaded:
        del sys.modules[name]


HELPERS = """
def tile_matmul(a):
    return inner(a)


def inner(a):
    return tile_matmul if a else inner


def untouched(a):
    return a
"""

KERNEL = """
import functools
import math

import numpy as np

import reach_helpers as helpers
from reach_helpers import untouched as renamed


def scale(a, factor=2):
    return a


half = functools.partial(scale, factor=0.5)


class Sizes:
    def __init__(self, rows):
        self.rows = rows

    def total(self):
        return doubled(self.rows)

    def never(self):
        return math.prod(self.rows)


def doubled(a):
    return 2 * a


def by_default(a):
    return a


def make():
    def captured(a):
        return a

    def kernel(a, op=by_default):
        sizes = Sizes(a)
        if a:
            return [half(x) for x in captured(sizes.total())]
        message = f"{in_text(a)}"
        return helpers.tile_matmul(np.zeros(3)), message

    return kernel


def in_text(a):
    return a


kernel = make()
"""


@pytest.fixture
def kernel_module(load: object) -> ModuleType:
    assert callable(load)
    load("reach_helpers", HELPERS)
    module = load("reach_kernel", KERNEL)
    assert isinstance(module, ModuleType)
    return module


def test_reaches_globals_closures_modules_partials_defaults_and_used_methods(kernel_module: ModuleType) -> None:
    names = {function.__name__ for function in reachable(kernel_module.kernel)}
    assert names == {
        "kernel",
        "by_default",
        "captured",
        "scale",
        "__init__",
        "total",
        "doubled",
        "in_text",
        "tile_matmul",
        "inner",
    }
    assert reachable(kernel_module.kernel)[0] is kernel_module.kernel
    assert reachable_classes(kernel_module.kernel) == [kernel_module.Sizes]


def test_arguments_are_reached_too(kernel_module: ModuleType) -> None:
    def start(op: object) -> object:
        return op

    found = reachable(start, [kernel_module.doubled, kernel_module.Sizes(1), 3])
    assert {function.__name__ for function in found} == {"start", "doubled", "__init__"}


def test_libraries_are_not_reached() -> None:
    import numpy as np

    def start(a: object) -> object:
        return functools.reduce(np.add, np.sum(a), Path("x").exists())

    assert [function.__name__ for function in reachable(start)] == ["start"]


def test_unwraps_kernels_and_partials(kernel_module: ModuleType) -> None:
    class Wrapper:
        def __init__(self, function: object) -> None:
            functools.update_wrapper(self, function)  # type: ignore[arg-type]

        def __call__(self) -> None: ...

    assert unwrap(functools.partial(Wrapper(kernel_module.doubled))) is kernel_module.doubled
    assert unwrap(3) == 3


DEFINITIONS = '''
def decorate(**options):
    return lambda function: function


@decorate(
    a=1,
)
def decorated(a):
    """Text: with
colons at the margin.
    """
    return a  # the last line


class Outer:
    class Inner:
        @staticmethod
        def method(a):
            def nested(b):
                return b

            return nested(a)


keep = decorate()(lambda a: a + 1)
'''


def test_finds_decorated_functions_methods_nested_functions_and_lambdas(load: object) -> None:
    assert callable(load)
    module = load("source_kernel", DEFINITIONS)
    unit = SourceUnit.of(module.decorated)
    assert unit.text == DEFINITIONS[DEFINITIONS.index("@decorate(") : DEFINITIONS.index("\n\nclass Outer")]
    assert unit.first_line == 6
    assert unit.definition is not None and unit.definition.meta.line == 9
    assert len(unit.decorators) == 1
    method = SourceUnit.of(module.Outer.Inner.method)
    assert method.definition is not None and method.definition.meta.column == 9
    nested = next(c for c in module.Outer.Inner.method.__code__.co_consts if hasattr(c, "co_name"))
    assert SourceUnit.of(nested).definition is not None
    anonymous = SourceUnit.of(module.keep)
    assert anonymous.definition is not None and anonymous.definition.data == "lambda_expression"
    assert SourceUnit.of(module.Outer).name == "Outer"


def test_every_function_of_this_file_is_found_where_it_is() -> None:
    for function in (test_libraries_are_not_reached, test_unwraps_kernels_and_partials):
        unit = SourceUnit.of(function)
        assert linecache.getline(unit.file, unit.first_line) == unit.text.split("\n", 1)[0] + "\n"
        assert unit.definition is not None


@pytest.mark.parametrize("file", ["<stdin>", "<string>"])
def test_code_without_text_says_what_to_do(file: str) -> None:
    namespace: dict[str, object] = {}
    exec(compile("def lost(a):\n    return a\n", file, "exec"), namespace)
    with pytest.raises(LanguageError) as caught:
        SourceUnit.of(namespace["lost"])
    (finding,) = caught.value.diagnostics
    assert finding.code == "language-source"
    assert "lost" in finding.message and ".py file" in finding.fix


def test_text_in_linecache_is_enough_as_in_a_notebook() -> None:
    text = "def cell(a):\n    return a\n"
    linecache.cache["<ipython-input-7>"] = (len(text), None, text.splitlines(keepends=True), "<ipython-input-7>")
    namespace: dict[str, object] = {}
    exec(compile(text, "<ipython-input-7>", "exec"), namespace)
    assert SourceUnit.of(namespace["cell"]).text == text


def test_a_file_that_changed_is_noticed(load: object, tmp_path: Path) -> None:
    assert callable(load)
    module = load("changing", "def first(a):\n    return a\n\n\ndef second(a):\n    return a\n")
    (tmp_path / "changing.py").write_text("x = 1\n\n\n\ny = 2\n\nz = 3\n")
    with pytest.raises(LanguageError) as caught:
        _ = SourceUnit.of(module.second).definition
    assert "changed" in caught.value.diagnostics[0].fix


def test_not_a_python_function() -> None:
    with pytest.raises(LanguageError, match="written in Python"):
        SourceUnit.of(len)


def test_units_of_a_module_without_importing_it() -> None:
    kernel = "import nope\n\n@nope.jit\ndef k(a):\n    def n(): pass\n\n"
    text = kernel + "class C:\n    def m(self): pass\n\nif x:\n    def h(): pass\n"
    units = units_in_module(text, "nowhere.py")
    assert [(unit.name, unit.entry, unit.first_line) for unit in units] == [
        ("k", True, 4),
        ("C", False, 7),
        ("m", False, 8),
        ("h", False, 11),
    ]
