"""`nki-sim view` on a long run: CPU time per key, what of it the drawing takes, and how both grow with the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median
from time import process_time

from nki_sim.memory.allocate import allocate
from nki_sim.profiler.app.app import ViewApp, settled
from nki_sim.profiler.app.help import KEYS
from nki_sim.profiler.app.lanes import lane_lines
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.state import State
from nki_sim.profiler.profile import Profile
from nki_sim.program.access import AccessPattern, contiguous_dims
from nki_sim.program.dtypes import bfloat16, float32
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.targets import load
from nki_sim.timing import simulate

_BUFFERS = 4
_TILES = 16
_ROWS_PER_PASS = 9
_SCREEN = (120, 40)


def synthetic_profile(rows: int, *, fresh: bool = True) -> Profile:
    """The profile of a load, load, multiply, activate, store pipeline with about `rows` rows in its timeline.

    `fresh`: every pass has tensors of its own, as an unrolled loop has; otherwise all passes share those of one.
    """
    target = load("trn2")
    program = Program(name="pipeline", target=target.name)
    code = synthetic_profile.__code__
    sites = [program.sites.add((id(code), 2 * offset), [code]) for offset in range(0, 60, 4)]

    def tensor(
        name: str, space: str, shape: tuple[int, ...], address: tuple[int, int] | None, **role: str
    ) -> TensorDecl:
        made = TensorDecl(
            index=len(program.tensors), name=name, space=space, buffer="shared_hbm" if space == "hbm" else space,  # type: ignore[arg-type]
            shape=shape, dtype=float32 if space == "psum" else bfloat16, address=address, site=sites[0],
            position=len(program.body), **role,  # type: ignore[arg-type]
        )  # fmt: skip
        program.tensors.append(made)
        return made

    left = tensor("left", "hbm", (_TILES * 128, 128), None, role="input")
    right = tensor("right", "hbm", (_TILES * 128, 512), None, role="input")
    result = tensor("result", "hbm", (_TILES * 128, 512), None, role="output")
    program.inputs, program.outputs = [left, right], [result]

    def tile(source: TensorDecl, number: int) -> AccessPattern:
        width = source.shape[1]
        offset = (number % _TILES) * 128 * width
        return AccessPattern(source, source.dtype, None, offset, contiguous_dims((128, width)))

    def issue(op: str, unit: str, operands: dict[str, object], /, **attributes: object) -> None:
        site = sites[(len(program.body) * 7) % len(sites)]
        program.body.append(Instruction(op, operands, attributes, unit, site))  # type: ignore[arg-type]

    def buffers(number: int) -> list[AccessPattern]:
        slot = (number % _BUFFERS) * 4096
        return [
            tensor("weights", "sbuf", (128, 128), (0, slot)).whole(),
            tensor("moving", "sbuf", (128, 512), (0, slot + 512)).whole(),
            tensor("sums", "psum", (128, 512), (0, (number % _BUFFERS) * 2048)).whole(),
            tensor("out", "sbuf", (128, 512), (0, slot + 2048)).whole(),
        ]

    made: list[AccessPattern] = []
    for number in range(max(1, rows // _ROWS_PER_PASS)):
        if fresh or number < _BUFFERS:
            made += buffers(number)
        stationary, moving, sums, out = made[-4:] if fresh else made[4 * (number % _BUFFERS) :][:4]
        plain = {"oob_mode": "error", "dge_mode": "unknown", "engine": "unknown"}
        issue("dma_copy", "dma", {"dst": stationary, "src": tile(left, number)}, **plain)
        issue("dma_copy", "dma", {"dst": moving, "src": tile(right, number)}, **plain)
        issue(
            "nc_matmul", "tensor", {"dst": sums, "stationary": stationary, "moving": moving},
            is_stationary_onezero=False, is_moving_onezero=False, is_transpose=False, accumulate=False,
            tile_position=(), tile_size=(), perf_mode=None,
        )  # fmt: skip
        operands = {"dst": out, "data": sums, "bias": None, "scale": 1.0, "reduce_res": None}
        issue("activation", "scalar", operands, op="exp", reduce_op=None, reduce_cmd="idle")
        operands = {"dst": out, "data": out, "operand0": 2.0, "operand1": None}
        issue("tensor_scalar", "vector", operands, op0="multiply", reverse0=False, op1=None, reverse1=False)
        issue("dma_copy", "dma", {"dst": tile(result, number), "src": out}, **plain)
    allocation = allocate(program, target)
    timeline = simulate(program, allocation.placement, target)
    return Profile(program, timeline, target, allocation=allocation)


def cpu_ms(action: Callable[[], object], times: int = 20) -> float:
    """Median CPU time of a call in ms."""
    found = []
    for _ in range(times):
        start = process_time()
        action()
        found.append(1e3 * (process_time() - start))
    return median(found)


async def key_times(profile: Profile, rounds: int = 2) -> dict[str, float]:
    """CPU ms per key of the real app, by pane; the slower of `rounds` presses."""
    app = ViewApp([profile])
    app.advisor.finish(app.runs[0])
    found: dict[str, list[float]] = {}
    async with app.run_test(size=_SCREEN) as pilot:
        await pilot.pause()
        for pane in "12345678":
            for key in KEYS:
                name = key.keys.split(",")[0]
                if key.action in ("quit", "help", "search") or key.action.startswith(("pane", "next_pane")):
                    continue
                for _ in range(rounds):
                    app.state.show(int(pane) - 1)
                    start = process_time()
                    await pilot.press(name)
                    found.setdefault(f"{pane} {name}", []).append(1e3 * (process_time() - start))
    return {name: max(times) for name, times in found.items()}


def main() -> None:
    """Print the figures."""
    print("nki-sim view: CPU time, 120 x 40")
    print(f"{'rows':>10} {'load':>10} {'lanes drawn':>12} {'median key':>11} {'slowest key':>26} {'search':>9}")
    for rows in (1_000, 10_000, 100_000):
        profile = synthetic_profile(rows)
        start = process_time()
        run = Run(profile).prepare()
        state = State([run])
        state.index(0)
        loaded = 1e3 * (process_time() - start)
        drawn = cpu_ms(lambda: lane_lines(state, *_SCREEN))  # noqa: B023 (called at once)
        found = cpu_ms(lambda: state.search("matmul"), 5)  # noqa: B023
        with settled():
            keys = asyncio.run(key_times(profile))
        slowest = max(keys, key=lambda name: keys[name])
        print(
            f"{len(profile.timeline):>10,} {loaded:>7.0f} ms {drawn:>9.2f} ms {median(keys.values()):>8.1f} ms "
            f"{keys[slowest]:>7.1f} ms ({slowest}) {found:>6.1f} ms"
        )


if __name__ == "__main__":
    main()
