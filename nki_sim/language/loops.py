"""Loop ranges. All but dynamic_range unroll while the kernel is built; dynamic_range records one device loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from nki_sim.frontend.recorder import current
from nki_sim.language.failure import a_type, fail
from nki_sim.language.registers import VirtualRegister
from nki_sim.program.ir import Register


def static_range(start: int, stop: int | None = None, step: int = 1, **_: Any) -> range:
    """range(start, stop, step), unrolled."""
    _refuse_registers("static_range", start, stop, step)
    return range(start) if stop is None else range(start, stop, step)


def affine_range(start: int, stop: int | None = None, step: int = 1, **_: Any) -> range:
    """range(start, stop, step), unrolled; promises that no iteration needs another's result except to accumulate."""
    _refuse_registers("affine_range", start, stop, step)
    return range(start) if stop is None else range(start, stop, step)


def sequential_range(start: int, stop: int | None = None, step: int = 1, **_: Any) -> range:
    """range(start, stop, step), unrolled; iterations may depend on earlier ones."""
    _refuse_registers("sequential_range", start, stop, step)
    return range(start) if stop is None else range(start, stop, step)


def dynamic_range(start: Any, stop: Any = None, step: int = 1) -> Iterator[VirtualRegister]:
    """A loop the device runs: yields its counter, a frozen register, once, and records the body as one region.

    start, stop   integers or registers; step a positive integer. Source: nki.language.dynamic_range.
    """
    first, last = (0, start) if stop is None else (start, stop)
    yield from _counted(first, last, step, "dynamic_range")


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[VirtualRegister], Any], step: int = 1) -> None:
    """Record ``body_fun(i)`` for i from lower to upper (exclusive) as one device loop."""
    for counter in _counted(lower, upper, step, "fori_loop"):
        body_fun(counter)


def while_loop(init: VirtualRegister, body_fun: Callable[[VirtualRegister], VirtualRegister]) -> None:
    """Record ``body_fun`` as a device loop that runs while the condition register is not zero.

    The next condition is the register the body returns.
    """
    from nki_sim.isa import register_move

    if not isinstance(init, VirtualRegister):
        fail(
            "language-loop",
            f"while_loop: init is {a_type(init)}; it must be a register",
            fix="pass nisa.register_alloc(value)",
        )
    recorder = current()
    condition = VirtualRegister(recorder.register("while"))
    register_move(condition, init)
    loop = recorder.open_loop(condition=condition.register)
    following = body_fun(condition)
    if not isinstance(following, VirtualRegister):
        fail(
            "language-loop",
            f"while_loop: the body returns {a_type(following)}; it must return the register with the next condition",
            fix="end the body with `return` and a register",
        )
    if following.register is not condition.register:
        register_move(condition, following)
    recorder.close_loop(loop)


def _counted(start: Any, stop: Any, step: Any, name: str) -> Iterator[VirtualRegister]:
    if not isinstance(step, int) or isinstance(step, bool) or step <= 0:
        fail(
            "language-loop",
            f"{name}: step is {step!r}; it must be a positive integer known while the kernel is built",
            facts=("a device loop counts upwards by a constant (nki.language.dynamic_range)",),
            fix="count upwards, and compute the place from the counter",
        )
    recorder = current()
    counter = recorder.register("loop")
    loop = recorder.open_loop(register=counter, start=_bound(start, name), stop=_bound(stop, name), step=step)
    yield VirtualRegister(counter, frozen=True)
    recorder.close_loop(loop)


def _bound(value: Any, name: str) -> int | Register:
    if isinstance(value, VirtualRegister):
        return value.register
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    fail(
        "language-loop",
        f"{name}: a bound is {a_type(value)}; it must be an integer or a register",
        fix="divide with //, which gives integers" if isinstance(value, float) else "",
    )


def _refuse_registers(name: str, *values: Any) -> None:
    if any(isinstance(value, VirtualRegister) for value in values):
        fail(
            "language-loop",
            f"{name}: a bound is a register, but this loop unrolls while the kernel is built",
            fix="use nl.dynamic_range",
        )
