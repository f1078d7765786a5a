"""A loop that never ends is given up on both engines, and the JIT hears an interrupt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nki_sim.engines.limits
import nki_sim.engines.reference
import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import KernelError, kernel


@kernel
def never_ends(x):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    register = nisa.register_alloc(1)
    while register:
        nisa.register_move(register, 1)
    nl.store(out, tile)
    return out


@kernel
def counts_long(x):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    for _ in nl.dynamic_range(3_000_000):
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.add, operand0=1)
    nl.store(out, tile)
    return out


@pytest.mark.parametrize("engine", ["reference", "jit"])
def test_a_loop_without_end_is_given_up(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "reference":
        monkeypatch.setattr(nki_sim.engines.reference, "MAX_PASSES", 1000)
    with pytest.raises(KernelError, match="passes and is given up") as caught:
        never_ends.with_options(engine=engine)(np.ones((1, 1), np.float32))
    assert caught.value.diagnostics[0].span is not None


def test_pauses_do_not_change_what_a_loop_computes() -> None:
    result: Any = counts_long(np.zeros((1, 1), np.int32))
    assert result[0, 0] == 3_000_000


def test_an_interrupt_reaches_native_code() -> None:
    code = (
        "import signal, numpy as np\n"
        "import nki_sim.engines.jit.runner as runner\n"
        "from tests.jit.test_endless import never_ends\n"
        "runner.MAX_PASSES = 1 << 62\n"
        "never_ends.program(np.ones((1, 1), np.float32))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.2)\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "try:\n    never_ends(np.ones((1, 1), np.float32))\n"
        "except KeyboardInterrupt:\n    print('heard')\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout == "heard\n", done.stderr
