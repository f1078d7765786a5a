"""VirtualRegister: a scalar the device keeps, usable as loop bound, `while` condition and run-time index."""

from __future__ import annotations

import re
import sys
from typing import Any, NoReturn

from nki_sim.frontend.dialect import is_while_test
from nki_sim.frontend.recorder import current, emit
from nki_sim.language.failure import fail
from nki_sim.language.objects import NKIObject
from nki_sim.program.ir import Loop, Register

_ASSIGNED = re.compile(r"\s*([A-Za-z_]\w*)\s*(?::[^=]*)?=\s*")


class VirtualRegister(NKIObject):
    """A 32-bit register of an engine's sequencer. Its value does not exist while the kernel is built.

    frozen   the register counts a device loop: it cannot be written
    Source: nki.isa.VirtualRegister.
    """

    def __init__(self, register: Register, frozen: bool = False) -> None:
        self.register = register
        self.frozen = frozen
        self._loop: Loop | None = None

    def __bool__(self) -> bool:
        """The test of ``while register:``: true once, so that the body is recorded once, then false."""
        frame = sys._getframe(1)
        if not is_while_test(frame.f_code, frame.f_lineno):
            fail(
                "language-branch",
                "a register was used as a condition; its value is known only while the kernel runs",
                facts=("a register may be tested by `while register:` alone (nki.isa.VirtualRegister)",),
                fix="compute both sides and choose with nisa.tensor_copy_predicated, or loop with `while register:`",
            )
        recorder = current()
        if self._loop is None:
            self._loop = recorder.open_loop(condition=self.register)
            return True
        recorder.close_loop(self._loop)
        self._loop = None
        return False

    def _no_value(self, *_: object) -> NoReturn:
        fail(
            "language-register",
            "a register has no value while the kernel is built: no arithmetic, comparison, int() or range()",
            fix="compute in an SBUF tensor and nisa.register_load it, or loop with nl.dynamic_range(register)",
        )

    __int__ = __index__ = __float__ = _no_value
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __mod__ = _no_value
    __lt__ = __le__ = __gt__ = __ge__ = _no_value

    def __repr__(self) -> str:
        return f"<register {self.register!r}>"


def register_alloc(value: Any) -> VirtualRegister:
    """A new register, set to `value` unless that is None (0.2: or loaded from a tensor); named as it is assigned."""
    recorder = current()
    spans = recorder.program.spans(recorder.site(sys._getframe(1)))
    assigned = _ASSIGNED.fullmatch(spans[0].text[: max(spans[0].column - 1, 0)]) if spans else None
    register = VirtualRegister(recorder.register(assigned[1] if assigned else ""))
    if value is not None:
        tensor = getattr(value, "access_pattern", None) is not None
        emit("register_load" if tensor else "register_move", {"dst": register, "src": value}, {})
    return register
