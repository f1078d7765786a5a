"""specialise: run a kernel's Python once with recording tensors; out comes a Program.

Order: the text of the kernel and of every helper it reaches is parsed and held against the dialect; then the function
runs. Findings of both are returned together; a broken rule that leaves nothing sensible to go on with raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from nki_sim.diagnostics.model import Diagnostic, NkiSimError, error_for
from nki_sim.frontend import dialect as dialects
from nki_sim.frontend.recorder import Recorder
from nki_sim.frontend.source import SourceUnit
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType
from nki_sim.program.ir import Program
from nki_sim.program.spans import SourceSpan
from nki_sim.targets import Target


class TensorArgument(NamedTuple):
    """An array argument, known by shape and dtype."""

    shape: tuple[int, ...]
    dtype: DType


def specialise(
    function: FunctionType,
    arguments: Mapping[str, Any],
    *,
    call: Callable[[Mapping[str, Any]], Any],
    tensor_of: Callable[[AccessPattern], Any],
    target: Target,
    dialect: str,
    name: str,
) -> tuple[Program, list[Diagnostic]]:
    """The Program of `function` for `arguments` (TensorArgument, or any static value), and all findings so far.

    `call` invokes the function with the recorded arguments; `tensor_of` makes the language's tensor object of a
    pattern, which it keeps as `access_pattern`. Raises NkiSimError when the text is refused or recording cannot go on;
    an exception of the kernel's own (a failed assert) propagates unless errors were recorded before it.
    """
    found, checked = dialects.check_kernel(function, dialect, arguments.values())
    if any(d.severity == "error" for d in found):
        raise error_for(found)

    def admit(code: CodeType) -> None:
        if code in checked or code.co_filename.startswith("<"):
            return
        late = dialects.check(SourceUnit.of(code), dialect)
        found.extend(late)

    program = Program(name=name, target=target.name)
    recorder = Recorder(program, target, function.__code__, admit)
    with recorder.active():
        bound: dict[str, Any] = {}
        for argument, value in arguments.items():
            bound[argument] = _argument(recorder, argument, value, tensor_of)
        try:
            result = call(bound)
        except NkiSimError:
            raise
        except Exception as error:
            errors = [d for d in (*found, *recorder.diagnostics) if d.severity == "error"]
            if errors:
                raise error_for(errors) from error
            raise
    _take_results(recorder, function, result)
    return program, found + recorder.diagnostics


def _argument(recorder: Recorder, name: str, value: Any, tensor_of: Callable[[AccessPattern], Any]) -> Any:
    if isinstance(value, TensorArgument):
        tensor = recorder.allocate(value.shape, value.dtype, "shared_hbm", name=name, role="input", site=-1)
        recorder.program.inputs.append(tensor)
        return tensor_of(tensor.whole())
    if isinstance(value, (list, tuple)) and any(isinstance(v, TensorArgument) for v in value):
        return type(value)(_argument(recorder, f"{name}[{i}]", v, tensor_of) for i, v in enumerate(value))
    return value


def _take_results(recorder: Recorder, function: FunctionType, result: Any) -> None:
    program = recorder.program
    if result is None:
        return
    if _is_tensor(result):
        values, program.returns = [result], "one"
    elif isinstance(result, (tuple, list)):
        values, program.returns = list(result), "tuple" if isinstance(result, tuple) else "list"
    else:
        values = [result]
    for value in values:
        problem = _result_problem(value)
        if problem is None and not recorder.owns(value.access_pattern):
            problem = (
                "the kernel returns a tensor of another kernel call, which is over",
                "make the tensor in this kernel, with nl.ndarray in nl.shared_hbm",
            )
        if problem is not None:
            message, fix = problem
            spans = _return_spans(SourceUnit.of(function))
            recorder.report(Diagnostic(code="language-return", message=message, spans=spans, fix=fix))
            continue
        pattern: AccessPattern = value.access_pattern
        if pattern.tensor.role == "local":
            pattern.tensor.role = "output"
        program.outputs.append(pattern.tensor)
        program.results.append(pattern)


def _is_tensor(value: Any) -> bool:
    return isinstance(getattr(value, "access_pattern", None), AccessPattern)


def _return_spans(unit: SourceUnit) -> tuple[SourceSpan, ...]:
    """The kernel's return statement; its definition when it has none or several."""
    from nki_sim.frontend import tree

    stack = tree.subtrees(unit.definition) if unit.definition is not None else []
    found = []
    while stack:
        node = stack.pop()
        if node.data == "return_statement":
            found.append(node)
        elif node.data not in ("function_definition", "class_definition"):
            stack.extend(tree.subtrees(node))
    return (tree.span_of(found[0], unit.file, unit.name),) if len(found) == 1 else unit.spans


def _result_problem(value: Any) -> tuple[str, str] | None:
    if not _is_tensor(value):
        return (
            f"the kernel returns a {type(value).__name__}; a kernel returns tensors, a tuple of tensors, or nothing",
            "write the result to an nl.ndarray in nl.shared_hbm and return that",
        )
    pattern = value.access_pattern
    if pattern.space != "hbm":
        return (
            f"the kernel returns a tensor in {pattern.tensor.buffer}; results live in nl.shared_hbm",
            "copy it to an nl.ndarray with buffer=nl.shared_hbm and return that",
        )
    if pattern.tensor.buffer == "private_hbm":
        return (
            "the kernel returns a tensor in nl.hbm (private); results live in nl.shared_hbm",
            "allocate it with buffer=nl.shared_hbm",
        )
    if pattern.is_dynamic:
        return ("the kernel returns a view with a run-time address", "return the whole tensor")
    return None
