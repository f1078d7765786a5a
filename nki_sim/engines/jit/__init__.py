"""The JIT engine: one small LLVM function per distinct instruction, a table of addresses, and a compiled runner.

layout.py      signatures                                 loops.py      common loop nests of several operands
types.py       how each data type is loaded and stored    operators.py  arithmetic, logical and bitwise operators
context.py     what a lowering emits against; its parts   emitter.py, walks.py, tiles.py
maths.py       vector exp, log, tanh, ...                 matmul.py     the matmul micro-kernel
lowering.py    how families say what they compile         control.py    loops, and the compiled runner
overlap.py     operands that share bytes                  table.py      Program -> table
compile.py     signatures -> machine code                 cache.py      machine code on disk
runner.py      runs a table                               inspect.py    what a stopped run has to say
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nki_sim.engines.jit.runner import JitRunner
    from nki_sim.memory.storage import Placement
    from nki_sim.program.ir import Program
    from nki_sim.targets import Target


def prepare(program: Program, placement: Placement, target: Target) -> JitRunner:
    """Compile `program`, whose on-chip tensors lie at `placement`; see engines.Engine. LLVM is loaded at the first
    call."""
    from nki_sim.engines.jit import runner

    return runner.prepare(program, placement, target)
