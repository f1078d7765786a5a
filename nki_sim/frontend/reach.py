"""Which of the user's functions a kernel can reach by name, found from bytecode, without running anything.

Names are followed through globals, closures, default arguments, modules (`helpers.tile_matmul`), classes and instances.
What is passed around in containers is not followed: such functions are met while the kernel is specialised.
"""

from __future__ import annotations

import dis
import functools
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

# Host libraries: their functions may be called while a kernel is built, but they are no kernel code.
_HOST_PACKAGES = frozenset(
    ("nki_sim", "nki", "neuronxcc", "numpy", "ml_dtypes", "torch", "torch_xla", "torch_neuronx", "jax", "jaxlib")
)
_GLOBAL_LOADS = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_CLOSURE_LOADS = frozenset(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_CLOSURE", "LOAD_FROM_DICT_OR_DEREF"))
_ATTRIBUTE_LOADS = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
_FILLERS = frozenset(("PUSH_NULL", "PRECALL", "CACHE", "EXTENDED_ARG", "RESUME", "NOP"))
_CONSTRUCTORS = frozenset(("__init__", "__post_init__", "__new__"))


def reachable(function: Any, arguments: Iterable[Any] = ()) -> list[FunctionType]:
    """The user's functions that `function` can reach, itself first, in the order they are met.

    `arguments` are values passed to the kernel: functions among them and classes of objects among them are reached.
    """
    return _Search(function, arguments).functions


def reachable_code(function: Any, arguments: Iterable[Any] = ()) -> tuple[list[FunctionType], list[type]]:
    """`reachable` and `reachable_classes` of one search."""
    search = _Search(function, arguments)
    return search.functions, search.classes


def reachable_classes(function: Any, arguments: Iterable[Any] = ()) -> list[type]:
    """The user's classes that `function` can reach, in the order they are met."""
    return _Search(function, arguments).classes


def unwrap(function: Any) -> Any:
    """The Python function inside kernels, partials and bound methods; the argument itself when there is none."""
    for _ in range(32):  # a chain of wrappers, however odd, ends
        if isinstance(function, (FunctionType, type)):
            break
        for attribute in ("__wrapped__", "func", "__func__", "fget"):
            inner = getattr(function, attribute, None)
            if callable(inner):
                function = inner
                break
        else:
            break
    return function


class _Search:
    """One search. A method is reached when its class is and its name occurs in reached code, or if it constructs."""

    def __init__(self, start: Any, arguments: Iterable[Any]) -> None:
        self.functions: list[FunctionType] = []
        self.classes: list[type] = []
        self._seen: set[int] = set()
        self._attributes: set[str] = set()
        self._pending: list[Any] = [unwrap(start)]
        for argument in arguments:
            self._meet(argument)
        self._run()

    def _run(self) -> None:
        while self._pending:
            one = self._pending.pop(0)
            if id(one) in self._seen:
                continue
            self._seen.add(id(one))
            if isinstance(one, type):
                self.classes.append(one)
            else:
                self.functions.append(one)
                for code in _nested(one.__code__):
                    self._attributes |= set(code.co_names)
                for value in _values_named(one):
                    self._meet(value)
            self._meet_methods()

    def _meet_methods(self) -> None:
        for cls in self.classes:
            for name, member in vars(cls).items():
                if name in _CONSTRUCTORS or name in self._attributes:
                    plain = unwrap(member)
                    # Methods that a decorator generated (dataclass, NamedTuple) have no text and no user to tell.
                    if isinstance(plain, FunctionType) and not plain.__code__.co_filename.startswith("<string>"):
                        self._meet(plain)

    def _meet(self, value: Any) -> None:
        """Queue `value` if it is code of the user's: a function, a wrapped one, a class or an instance of one."""
        plain = unwrap(value)
        if isinstance(plain, FunctionType):
            if _is_users(plain.__globals__.get("__name__", ""), plain.__code__.co_filename):
                self._pending.append(plain)
            return
        if isinstance(plain, ModuleType):
            return
        for cls in (plain if isinstance(plain, type) else type(plain)).__mro__:
            file = getattr(sys.modules.get(cls.__module__), "__file__", "")
            if cls is not object and _is_users(cls.__module__, file):
                self._pending.append(cls)


def _is_users(module: str, file: str | None) -> bool:
    root = module.partition(".")[0]
    if root in _HOST_PACKAGES or root == "builtins":
        return False
    if root in sys.stdlib_module_names and _in_standard_library(file):
        return False  # a user's file may bear the name of a standard module, but then it lies elsewhere
    return not _INSTALLED & set((file or "").split(os.sep)) or _speaks_nki(module)


_INSTALLED = frozenset(("site-packages", "dist-packages"))
_NKI = frozenset(("nki_sim", "nki", "neuronxcc"))


def _speaks_nki(module: str) -> bool:
    """Whether an installed module is a library of kernels: it has imported something of NKI."""
    for value in vars(sys.modules[module]).values() if module in sys.modules else ():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name.partition(".")[0] in _NKI:
            return True
    return False


def _in_standard_library(file: str | None) -> bool:
    if not file or file.startswith("<"):
        return True
    path = os.path.abspath(file)
    return path.startswith(_standard_library()) and not _INSTALLED & set(path.split(os.sep))


@functools.lru_cache(maxsize=1)
def _standard_library() -> str:
    return os.path.join(os.path.abspath(sysconfig.get_paths()["stdlib"]), "")


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _values_named(function: FunctionType) -> Iterator[Any]:
    """The values that the names and attribute chains in a function's code stand for now."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    for chain, closure in _names_loaded(function.__code__):
        value = _resolve(chain, cells if closure else function.__globals__)
        if value is not None:
            yield value


@functools.lru_cache(maxsize=4096)
def _names_loaded(code: CodeType) -> tuple[tuple[tuple[str, ...], bool], ...]:
    return tuple(dict.fromkeys(chain for one in _nested(code) for chain in _chains(one)))


def _chains(code: CodeType) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every ``name.attribute...`` that code loads from outside of its own variables, and whether from a closure."""
    chain: tuple[str, ...] = ()
    closure = False
    for step in dis.get_instructions(code):
        if step.opname in _FILLERS:
            continue
        if chain and step.opname in _ATTRIBUTE_LOADS:
            chain = (*chain, str(step.argval))
            continue
        if chain:
            yield chain, closure
        closure = step.opname in _CLOSURE_LOADS
        chain = (str(step.argval),) if closure or step.opname in _GLOBAL_LOADS else ()
    if chain:
        yield chain, closure


def _resolve(chain: tuple[str, ...], names: Mapping[str, Any]) -> Any:
    """The value of a chain as far as it leads through modules and classes; None when the name is not bound yet."""
    head, *rest = chain
    value = names.get(head)
    if isinstance(value, CellType):
        try:
            value = value.cell_contents
        except ValueError:  # the variable is assigned later
            return None
    for attribute in rest:
        # Only look inside what cannot run code of its own when an attribute is read.
        if not isinstance(value, (ModuleType, type)):
            break
        found = vars(value).get(attribute)
        if found is None:
            break
        value = found
    return value
