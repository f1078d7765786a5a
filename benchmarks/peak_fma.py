"""The yardstick of the matmul: a loop of nothing but independent fused multiply-adds on vector registers.

Run with ``python -m benchmarks.peak_fma``.
"""

from __future__ import annotations

import ctypes
from statistics import median

from llvmlite import binding, ir

from benchmarks.report import interleaved, machine_line, spread
from nki_sim.engines.jit.host import create_target_machine, host
from nki_sim.engines.jit.matmul import blocking_for
from nki_sim.engines.jit.types import FLOAT, INT64, constant, intrinsic, splat

# More than latency times throughput needs (4 cycles, 2 a cycle), few enough to stay in 16 registers with two operands.
CHAINS = 12


class PeakFma:
    """A compiled loop; calling it with a number of passes runs `flops_per_pass` floating point operations for each."""

    def __init__(self, lanes: int | None = None) -> None:
        self.lanes = blocking_for(host()).lanes if lanes is None else lanes
        self.flops_per_pass = 2 * CHAINS * self.lanes
        machine = create_target_machine()
        parsed = binding.parse_assembly(self._source())
        parsed.verify()
        self._engine = binding.create_mcjit_compiler(parsed, machine)
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_float, ctypes.c_float)
        self._function = kind(self._engine.get_function_address("peak"))

    def _source(self) -> str:
        module = ir.Module()
        vector = ir.VectorType(FLOAT, self.lanes)
        function = ir.Function(module, ir.FunctionType(FLOAT, [INT64, FLOAT, FLOAT]), "peak")
        entry, body, done = (function.append_basic_block(name) for name in ("entry", "body", "done"))
        builder = ir.IRBuilder(entry)
        factor, addend = (splat(builder, argument, self.lanes) for argument in function.args[1:])
        builder.branch(body)
        builder.position_at_end(body)
        index = builder.phi(INT64)
        chains = [builder.phi(vector) for _ in range(CHAINS)]
        fma = intrinsic(builder, f"llvm.fma.v{self.lanes}f32", vector, [vector] * 3)
        results = [builder.call(fma, [chain, factor, addend]) for chain in chains]
        following = builder.add(index, INT64(1))
        index.add_incoming(INT64(0), entry)
        index.add_incoming(following, body)
        for number, (chain, result) in enumerate(zip(chains, results, strict=True)):
            chain.add_incoming(constant(vector, float(number)), entry)
            chain.add_incoming(result, body)
        builder.cbranch(builder.icmp_signed("<", following, function.args[0]), body, done)
        builder.position_at_end(done)
        total = results[0]
        for result in results[1:]:
            total = builder.fadd(total, result)
        builder.ret(builder.extract_element(total, ir.IntType(32)(0)))
        return str(module)

    def __call__(self, passes: int) -> float:
        # Converges to 1: neither overflow nor denormals slow the loop down.
        return float(self._function(passes, 0.5, 0.5))


def main() -> None:
    print(machine_line())
    peak = PeakFma()
    passes = 1_000_000
    seconds = interleaved({"peak": lambda: peak(passes)})["peak"]
    rate = passes * peak.flops_per_pass / median(seconds) / 1e9
    low, high = (passes * peak.flops_per_pass / value / 1e9 for value in reversed(spread(seconds)))
    print(f"peak FMA, one core, {peak.lanes} lanes: {rate:.1f} GFLOP/s (quartiles {low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
