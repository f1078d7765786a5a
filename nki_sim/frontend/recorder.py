"""Recorder: the instructions a kernel issues while it is being specialised.

The kernel runs as ordinary Python; every `nisa` call arrives here as `emit`, is checked against its `.isa` block and
becomes an Instruction. Findings are collected, so that one pass shows them all.

Non-goals: nothing is computed or allocated here, and no rule of an instruction is written here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from types import CodeType, FrameType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from nki_sim.diagnostics.model import Diagnostic, LanguageError
from nki_sim.frontend.locate import argument_span
from nki_sim.instructions import validate
from nki_sim.instructions.table import SPECS
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType
from nki_sim.program.ir import Instruction, Item, Loop, Operand, Program, Register, Role, TensorDecl
from nki_sim.program.spans import SourceSpan, resolve
from nki_sim.targets import Target

# Attributes of these types are held as they are.
_PLAIN = frozenset({type(None), bool, int, float, str})
_current: ContextVar[Recorder | None] = ContextVar("nki_sim_recorder", default=None)


class Recorder:
    """One specialisation in progress. `program` grows, `diagnostics` collects.

    admit   called once with each code object of the user's that instructions are issued from
    """

    def __init__(self, program: Program, target: Target, entry: CodeType, admit: Callable[[CodeType], None]) -> None:
        self.program = program
        self.target = target
        self.diagnostics: list[Diagnostic] = []
        self.position = 0
        self._entry = entry
        self._admit = admit
        self._user_code: dict[int, tuple[CodeType, bool]] = {}
        self._bodies: list[list[Item]] = [program.body]
        self._loops: list[Loop] = []
        self._identities: dict[tuple[int, DType], Any] = {}
        # Operators and enums by identity, with their names; kept alive, so that an identity means one of them.
        self._tokens: dict[int, tuple[Any, Any]] = {}
        self.pmax = target.limit("pmax")

    @contextmanager
    def active(self) -> Iterator[Recorder]:
        """Within this block, `nisa` and `nl` calls record here."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    # -- recording ---------------------------------------------------------------------------------------------------

    def emit(self, op: str, operands: dict[str, Any], attributes: dict[str, Any], label: str | None) -> Instruction:
        """Record one instruction; a broken rule becomes a diagnostic and the instruction is recorded all the same."""
        site = self.site(sys._getframe(2))
        spec = SPECS[op]
        bound: dict[str, Operand] = {}
        for name, value in operands.items():
            kind = type(value)
            if value is None or kind is float or kind is int:
                bound[name] = value
                continue
            pattern = getattr(value, "access_pattern", None)
            if pattern is None:
                bound[name] = self._scalar(op, name, value, site)
                continue
            if not self.owns(pattern):
                self._refuse_foreign(op, name, pattern, site)
            bound[name] = pattern
        plain: dict[str, Any] = {}
        tokens = self._tokens
        for name, value in attributes.items():
            if (type(value) in _PLAIN or (type(value) is tuple and not value)) and name != "axis":
                plain[name] = value
                continue
            token = tokens.get(id(value))
            plain[name] = token[1] if token is not None else self._attribute(name, value, bound)
        checked = validate.check_cached(spec, bound, plain, self.target)
        for violation in checked.violations:
            if not self._follows(violation, bound):
                self._report_violation(violation, bound, site)
        instruction = Instruction(op, bound, plain, checked.engine, site, label, checked.form)
        self._bodies[-1].append(instruction)
        self.position += 1
        for name in spec.outputs:
            written = bound.get(name)
            if type(written) is AccessPattern and written.tensor.role == "input":
                written.tensor.written = True
        return instruction

    def owns(self, pattern: AccessPattern) -> bool:
        """Whether the pattern's tensors were made by the kernel being built, not kept from an earlier one."""
        tensors = self.program.tensors
        tensor = pattern.tensor
        if tensor.index >= len(tensors) or tensors[tensor.index] is not tensor:
            return False
        if pattern.dynamic is not None and isinstance(pattern.dynamic.source, AccessPattern):
            return self.owns(pattern.dynamic.source)
        return pattern.vector is None or self.owns(pattern.vector.index)

    def _refuse_foreign(self, op: str, name: str, pattern: AccessPattern, site: int) -> NoReturn:
        spans = self.program.spans(site)
        if spans:
            spans = (argument_span(spans[0], name, None), *spans[1:])
        raise LanguageError(
            (
                *self.diagnostics,
                Diagnostic(
                    code="language-operand",
                    message=f"{op}: {name} is a tensor {list(pattern.shape)} of another kernel call, which is over",
                    spans=spans,
                    facts=("a tensor lives as long as the call that made it",),
                    fix="make the tensor in this kernel, or pass its values as an argument",
                ),
            )
        )

    def _attribute(self, name: str, value: Any, bound: dict[str, Operand]) -> Any:
        """An attribute as the program holds it; operators and enums are remembered, they come again."""
        plain = _plain(name, value, bound)
        if isinstance(value, Enum) or hasattr(value, "operator_name"):
            self._tokens[id(value)] = (value, plain)
        return plain

    def allocate(
        self,
        shape: tuple[int, ...],
        dtype: DType,
        buffer: str,
        *,
        name: str = "",
        address: tuple[int, int] | None = None,
        role: Role = "local",
        site: int | None = None,
    ) -> TensorDecl:
        """A new tensor, alive from here."""
        tensor = TensorDecl(
            index=len(self.program.tensors),
            name=name,
            space=buffer if buffer in ("sbuf", "psum") else "hbm",  # type: ignore[arg-type]
            buffer=buffer,
            shape=shape,
            dtype=dtype,
            role=role,
            address=address,
            site=self.site(sys._getframe(2)) if site is None else site,
            position=self.position,
            depth=len(self._loops),
        )
        self.program.tensors.append(tensor)
        return tensor

    def constant(self, values: npt.NDArray[Any], dtype: DType, name: str = "") -> TensorDecl:
        """A tensor in HBM that holds `values` (in the storage type of `dtype`) before the kernel starts."""
        tensor = self.allocate(values.shape, dtype, "shared_hbm", name=name, role="constant")
        self.program.constants[tensor.index] = np.ascontiguousarray(values)
        return tensor

    def once(self, key: tuple[int, DType], make: Callable[[], Any]) -> Any:
        """`make()` the first time this kernel asks for `key`, the same value afterwards."""
        if key not in self._identities:
            self._identities[key] = make()
        return self._identities[key]

    def register(self, name: str = "") -> Register:
        register = Register(len(self.program.registers), name)
        self.program.registers.append(register)
        return register

    def open_loop(self, **fields: Any) -> Loop:
        """Begin a region; everything recorded until `close_loop` is its body."""
        loop = Loop(site=self.site(sys._getframe(2)), **fields)
        self._bodies[-1].append(loop)
        self._bodies.append(loop.body)
        self._loops.append(loop)
        return loop

    def close_loop(self, loop: Loop) -> None:
        if not self._loops or self._loops[-1] is not loop:
            raise RuntimeError("device loops must be closed in the order they were opened")
        self._loops.pop()
        self._bodies.pop()

    @property
    def loop_depth(self) -> int:
        return len(self._loops)

    # -- positions and findings --------------------------------------------------------------------------------------

    def site(self, frame: FrameType | None) -> int:
        """The number of the user's call chain that ends at `frame`."""
        key: list[int] = []
        chain: list[CodeType] = []
        known = self._user_code
        entry = self._entry
        while frame is not None:
            code = frame.f_code
            identity = id(code)
            seen = known.get(identity)
            if seen is None:
                module = str(frame.f_globals.get("__name__", ""))
                user = code is entry or not module.startswith("nki_sim.")
                seen = known[identity] = (code, user)
                if user:
                    self._admit(code)
            if seen[1]:
                key += (identity, frame.f_lasti)
                chain.append(code)
                if code is entry:
                    break
            frame = frame.f_back
        return self.program.sites.add(tuple(key), chain)

    def report(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)

    def complain(self, code: str, message: str, *, operand: str = "", **fields: Any) -> None:
        """Report an error at the innermost line of the user's; specialisation goes on."""
        spans = self.program.spans(self.site(sys._getframe(1)))
        if operand and spans:
            spans = (argument_span(spans[0], operand, None), *spans[1:])
        self.diagnostics.append(Diagnostic(code=code, message=message, spans=spans, **fields))

    def _follows(self, violation: validate.Violation, bound: dict[str, Operand]) -> bool:
        """Whether a violation says once more that a tensor has too many partitions, as its allocation was told."""
        operand = bound.get(violation.operand)
        if violation.code not in ("shape", "partition") or not isinstance(operand, AccessPattern):
            return False
        rows, most = operand.shape[0], self.target.limit("pmax")
        return operand.on_chip and rows > most and rows == operand.tensor.shape[0]

    def _report_violation(self, violation: validate.Violation, bound: dict[str, Operand], site: int) -> None:
        spans = self.program.spans(site)
        operand = bound.get(violation.operand)
        label = ""
        if spans and violation.operand:
            position = list(bound).index(violation.operand) if violation.operand in bound else None
            spans = (argument_span(spans[0], violation.operand, position), *spans[1:])
        if isinstance(operand, AccessPattern):
            label = self.describe(operand)
        self.diagnostics.append(
            Diagnostic(
                code=violation.code,
                severity=violation.severity,
                message=violation.message,
                spans=spans,
                label=label,
                facts=(_cited(violation),) if violation.fact else (),
                fix=violation.fix,
                owner=violation.owner,
            )
        )

    def describe(self, pattern: AccessPattern) -> str:
        """``[128, 256] bfloat16 in sbuf, allocated at line 24``."""
        shape = ", ".join(map(str, pattern.shape))
        text = f"[{shape}] {pattern.dtype} in {pattern.tensor.space}"
        spans = self.program.spans(pattern.tensor.site)
        return f"{text}, allocated at line {spans[0].line}" if spans else text

    def _scalar(self, op: str, name: str, value: Any, site: int) -> Operand:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        register = getattr(value, "register", None)
        if isinstance(register, Register):
            if name == "dst" and getattr(value, "frozen", False):
                raise LanguageError(
                    (
                        *self.diagnostics,
                        Diagnostic(
                            code="language-dynamic-counter",
                            message=f"{op}: dst counts a device loop and cannot be written",
                            spans=self.program.spans(site),
                            facts=("the counter is frozen (nki-language-guide.rst, Dynamic Control Flow)",),
                            fix="keep a register of your own: r = nisa.register_alloc(0)",
                        ),
                    )
                )
            return register
        if isinstance(value, np.generic):
            return value.item()  # type: ignore[no-any-return]
        spans = self.program.spans(site)
        if spans:
            spans = (argument_span(spans[0], name, None), *spans[1:])
        raise LanguageError(
            (
                *self.diagnostics,
                Diagnostic(
                    code="language-operand",
                    message=f"{op}: {name} is a {type(value).__name__}; an operand is a tensor, a number or a register",
                    spans=spans,
                    fix=f"pass a tensor view as {name}",
                ),
            )
        )


def _cited(violation: validate.Violation) -> str:
    return f"{violation.fact} ({violation.citation})" if violation.citation else violation.fact


def _plain(name: str, value: Any, bound: dict[str, Operand]) -> Any:
    """An attribute as the program holds it: operators and enums by name, sequences as tuples."""
    if value is None or isinstance(value, (bool, int, float, str)):
        if name == "axis" and isinstance(value, int):
            return _axes((value,), bound)
        return str(value) if isinstance(value, str) else value
    operator = getattr(value, "operator_name", None)
    if operator is not None:
        return operator
    if isinstance(value, (list, tuple)):
        if name == "axis":
            return _axes(tuple(value), bound)
        return tuple(tuple(v) if isinstance(v, (list, tuple)) else _plain("", v, bound) for v in value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(name, value.tolist(), bound)
    return value.name if isinstance(value, Enum) else value


def _axes(axes: tuple[Any, ...], bound: dict[str, Operand]) -> tuple[Any, ...]:
    data = bound.get("data")
    rank = len(data.shape) if isinstance(data, AccessPattern) else 0
    return tuple(a + rank if isinstance(a, int) and a < 0 else a for a in axes)


def current() -> Recorder:
    """The recorder of the kernel being specialised. Raises LanguageError outside of one."""
    recorder = _current.get()
    if recorder is None:
        raise LanguageError(
            (
                Diagnostic(
                    code="language-outside-kernel",
                    message="an nl or nisa function was called outside of a kernel",
                    spans=_caller(),
                    fix="call it from a function decorated with @kernel, and call that function with arrays",
                ),
            )
        )
    return recorder


def _caller() -> tuple[SourceSpan, ...]:
    """The innermost line outside of nki_sim."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("nki_sim."):
        frame = frame.f_back
    return (resolve(frame.f_code, frame.f_lasti),) if frame is not None else ()


def active() -> bool:
    """Whether a kernel is being specialised in this context."""
    return _current.get() is not None


def emit(op: str, operands: dict[str, Any], attributes: dict[str, Any], label: str | None = None) -> Instruction:
    """Record one instruction of the kernel being specialised; what every function of nki_sim.isa calls."""
    return (_current.get() or current()).emit(op, operands, attributes, label)
