"""Specialisation: a kernel built for one set of shapes: program, findings, placement; lazily engine and profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from nki_sim import checks, memory, targets
from nki_sim.arguments import Arguments
from nki_sim.compared import run_compared
from nki_sim.diagnostics.model import Diagnostic, LanguageError, NotImplementedYet, error_for
from nki_sim.frontend.specialise import specialise
from nki_sim.language.tensor import ndarray
from nki_sim.memory.accesses import flatten
from nki_sim.options import KernelOptions
from nki_sim.program.access import contiguous_dims
from nki_sim.program.collection import no_collection
from nki_sim.program.dtypes import bool_
from nki_sim.program.ir import Loop, Program, Register, TensorDecl
from nki_sim.program.widen import CannotWiden, widen

if TYPE_CHECKING:
    from nki_sim.engines import Runner
    from nki_sim.memory.allocate import Allocation
    from nki_sim.profiler.profile import Profile

Array = np.ndarray[Any, Any]


class Specialisation:
    """What a kernel became for one set of argument shapes. `program` is resolved: engines and timing read it so."""

    def __init__(
        self,
        program: Program,
        diagnostics: list[Diagnostic],
        allocation: Allocation,
        options: KernelOptions,
        *,
        data_decides: bool = False,
    ) -> None:
        self.program = program
        self.diagnostics = diagnostics
        self.allocation = allocation
        self.options = options
        self._data_decides = data_decides
        # By result: the whole tensor in its own order.
        self._whole = [p.dims == contiguous_dims(p.tensor.shape) and not p.offset for p in program.results]
        self._writes = any(t.written for t in program.inputs)
        self.target = targets.load(options.target)
        self._runner: Runner | None = None
        self._running = program
        # (tensor index, shape, storage type) of the arrays that each run makes.
        self._made: list[tuple[int, tuple[int, ...], np.dtype[Any]]] = []
        self._profile: Profile | None = None

    @classmethod
    def build(cls, function: FunctionType, arguments: Arguments, options: KernelOptions) -> Specialisation:
        """Specialise, allocate and check. Raises the errors of `frontend.specialise`; later findings are kept."""
        target = targets.load(options.target)

        def call(bound: Mapping[str, Any]) -> Any:
            binding = arguments.signature.bind_partial()
            binding.arguments.update(bound)
            return function(*binding.args, **binding.kwargs)

        with no_collection():
            program, found = specialise(
                function,
                arguments.values,
                call=call,
                tensor_of=ndarray.view_of,
                target=target,
                dialect=options.dialect,
                name=function.__name__,
            )
            if any(d.severity == "error" for d in found):
                raise error_for(found)  # what follows would read patterns and attributes that broke a rule
            flat = flatten(program)
            allocation = memory.allocate(program, target, separate=options.memory == "separate", flat=flat)
            found = found + list(allocation.diagnostics)
            data_decides = False
            if not any(d.severity == "error" for d in found):
                examined = checks.examine(program, target, allocation, flat=flat)
                found += examined.diagnostics
                data_decides = examined.data_decides
        return cls(program, found, allocation, options, data_decides=data_decides)

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, arguments: Arguments, on_print: Callable[[str], None]) -> Any:
        """Execute with the arrays of `arguments`; the results as the kernel returned them."""
        runner = self._runner or self._prepare()
        program = self._running
        hbm: dict[int, Array] = {}
        write_back: list[tuple[Array, Array]] = []
        for tensor, array in zip(program.inputs, arguments.arrays, strict=True):
            held = _held(array, tensor)
            if tensor.written and not np.shares_memory(held, array):
                write_back.append((array, held))
            hbm[tensor.index] = held
        if self._writes:
            _refuse_shared(program, arguments)
        hbm.update(program.constants)
        if self._data_decides:
            run_compared(runner, program, hbm, on_print)
        else:
            for index, shape, storage in self._made:
                hbm[index] = np.empty(shape, storage)
            runner(hbm, on_print)
        for array, held in write_back:
            array[...] = held.astype(array.dtype).reshape(array.shape)
        return self._results(program, hbm)

    def _prepare(self) -> Runner:
        if self._runner is None:
            program, placement = self.program, self.allocation.placement
            if not self.options.precise:
                try:
                    program = widen(program)
                except CannotWiden as error:
                    raise NotImplementedYet(
                        (
                            Diagnostic(
                                code="owed",
                                message=f"precise=False: {error}",
                                facts=("with precise=False narrow floats are kept as float32, whose bits differ",),
                                fix="run it with precise=True, or keep the bits in an integer tensor",
                                owner="simulator",
                            ),
                        )
                    ) from error
                placement = memory.allocate(program, self.target, separate=True).placement
            self._running = program
            self._made = [
                (t.index, t.shape, t.dtype.storage)
                for t in program.tensors
                if t.space == "hbm" and t.role != "input" and t.index not in program.constants
            ]
            self._runner = _engine(self.options.engine)(program, placement, self.target)
        return self._runner

    def _results(self, program: Program, hbm: dict[int, Array]) -> Any:
        results = []
        for place, pattern in enumerate(program.results):
            tensor = pattern.tensor
            array = hbm[tensor.index]
            if tensor.role == "input" and not tensor.written:
                array = array.copy()  # the caller's own memory is not a result
            if self._whole[place]:
                view = array.view() if tensor.role == "input" else array
            else:
                itemsize = array.itemsize
                view = np.lib.stride_tricks.as_strided(
                    array.reshape(-1)[pattern.offset :],
                    pattern.shape,
                    tuple(stride * itemsize for stride, _ in pattern.dims),
                )
            results.append(view.view(np.bool_) if pattern.dtype is bool_ else view)
        if program.returns == "none":
            return None
        if program.returns == "one":
            return results[0]
        return tuple(results) if program.returns == "tuple" else results

    # -- timing ------------------------------------------------------------------------------------------------------

    def profile(self, arguments: Arguments) -> Profile:
        """Simulated time. A loop whose trip count depends on data makes the kernel run first, to count."""
        from nki_sim.profiler.advice import Simulated
        from nki_sim.profiler.profile import Profile
        from nki_sim.timing import simulate

        depends = _depends_on_data(self.program.body)
        if self._profile is not None and not depends:
            return self._profile
        trips = None
        if depends:
            # On copies: timing a kernel must not write its arguments.
            self.run(replace(arguments, arrays=[a.copy() for a in arguments.arrays]), lambda _: None)
            assert self._runner is not None
            trips = self._runner.trips
        timeline = simulate(
            self.program, self.allocation.placement, self.target, trips=trips, schedule=self.options.schedule
        )
        found = Profile(
            self.program,
            timeline,
            self.target,
            allocation=self.allocation,
            simulated=Simulated(trips=trips, schedule=self.options.schedule),
        )
        self._profile = found
        return found


def _engine(name: str) -> Callable[[Program, Any, targets.Target], Runner]:
    """The `prepare` of an engine, imported when it is first needed: llvmlite takes a while."""
    if name == "jit":
        from nki_sim.engines import jit

        return jit.prepare
    from nki_sim.engines import reference

    return reference.prepare


def _refuse_shared(program: Program, arguments: Arguments) -> None:
    """Raise LanguageError for an argument that the kernel writes but must not: read-only, or shared with another."""
    for one, array in zip(program.inputs, arguments.arrays, strict=True):
        if not one.written:
            continue
        problem, fix = "", ""
        if not array.flags.writeable:
            problem, fix = f"{one.name} is a read-only array", f"pass a copy: {one.name}.copy()"
        for other, second in zip(program.inputs, arguments.arrays, strict=True):
            if other is not one and np.shares_memory(array, second):
                problem, fix = f"{one.name} and {other.name} share memory", f"pass a copy as {other.name}"
        if problem:
            raise LanguageError(
                (
                    Diagnostic(
                        code="language-operand",
                        message=f"{program.name}: {problem}, and the kernel writes {one.name}",
                        facts=("the checks take arguments for separate tensors",),
                        fix=fix,
                    ),
                )
            )


def _held(array: Array, tensor: TensorDecl) -> Array:
    """`array` as the engine holds it: C-contiguous, in the storage type of `tensor`, writable where it is written."""
    if array.dtype is tensor.dtype.storage and array.flags.c_contiguous and not tensor.written:
        return array
    source = array.view(np.uint8) if array.dtype == np.bool_ else array
    if source.dtype != tensor.dtype.storage:
        source = source.astype(tensor.dtype.storage)
    held = np.ascontiguousarray(source)
    if tensor.written and not held.flags.writeable:
        held = held.copy()
    return held


def _depends_on_data(body: list[Any]) -> bool:
    for item in body:
        if isinstance(item, Loop):
            if item.condition is not None or isinstance(item.start, Register) or isinstance(item.stop, Register):
                return True
            if _depends_on_data(item.body):
                return True
    return False
