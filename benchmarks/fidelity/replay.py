"""Replay: the instruction lists that a device executed, through the model's engines, semaphores and DMA queues.

The lists (data/traces.csv) say what ran where, in which order and after which other instruction; every duration and
interval is the model's. Of the run itself only the phase of the clock's windows is used: no kernel decides it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.fidelity.building import at_phase
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType, bfloat16, float32
from nki_sim.program.ir import Instruction, Operand, Program, TensorDecl
from nki_sim.targets import Target, load
from nki_sim.timing.costs import Work, price
from nki_sim.timing.lanes import DMA_LOAD, DMA_STORE, LANE_OF, MATMUL, REGISTER, TENSOR, TRANSFER, TRANSPOSE
from nki_sim.timing.plan import Plan
from nki_sim.timing.schedule import Scheduler
from nki_sim.timing.transfers import priced

DATA = Path(__file__).parent / "data"
TYPES: Mapping[str, DType] = {"fp32": float32, "bf16": bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One machine instruction of a run: times in ns after the first DMA trigger, `waits` by number in the run."""

    number: int
    engine: str
    start_ns: float
    duration_ns: float
    opcode: str
    detail: str
    waits: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    name: str
    body_ns: float
    clock_phase_ns: float
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Simulated times beside the measured ones.

    body_ns      first DMA trigger to the end of the last transfer
    start_ns, end_ns    by number of the step; NaN for weight loads, which the model keeps with their matmul
    """

    run: Run
    body_ns: float
    start_ns: npt.NDArray[np.float64]
    end_ns: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        return self.body_ns / self.run.body_ns - 1

    def measured_ends(self) -> npt.NDArray[np.float64]:
        return np.array([step.start_ns + step.duration_ns for step in self.run.steps])

    def end_errors_ns(self) -> npt.NDArray[np.float64]:
        """Simulated less measured completion of every instruction that the model shows one by one."""
        kept = ~np.isnan(self.end_ns)
        errors: npt.NDArray[np.float64] = (self.end_ns - self.measured_ends())[kept]
        return errors


@cache
def runs() -> Mapping[str, Run]:
    """The runs carried in data/, by name."""
    with (DATA / "profiles.csv").open(newline="") as table:
        heads = list(csv.DictReader(table))
    steps: dict[str, list[Step]] = {head["profile"]: [] for head in heads}
    with (DATA / "traces.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            steps[row["profile"]].append(
                Step(
                    number=int(row["number"]),
                    engine=row["engine"],
                    start_ns=float(row["start_ns"]),
                    duration_ns=float(row["duration_ns"]),
                    opcode=row["opcode"],
                    detail=row["detail"],
                    waits=tuple(map(int, row["waits"].split())),
                )
            )
    return {
        head["profile"]: Run(
            name=head["profile"],
            body_ns=float(head["body_ns"]),
            clock_phase_ns=float(head["clock_phase_ns"]),
            steps=steps[head["profile"]],
        )
        for head in heads
    }


def replay(run: Run, target: Target | None = None) -> Replayed:
    """Run the list through the model."""
    target = at_phase(target or load("trn2"), run.clock_phase_ns)
    plan, places = _plan(run, target)
    timeline = Scheduler(plan).run()
    starts = np.full(len(run.steps), np.nan)
    ends = np.full(len(run.steps), np.nan)
    rows = timeline.rows
    # A transfer has two rows, trigger and packets: the trigger is what the list times.
    for row in rows[rows["kind"] != TRANSFER]:
        number = places[row["instance"]]
        starts[number], ends[number] = row["start_ns"], row["end_ns"]
    packets = rows[rows["kind"] == TRANSFER]
    return Replayed(run=run, body_ns=float(packets["end_ns"].max()), start_ns=starts, end_ns=ends)


def _plan(run: Run, target: Target) -> tuple[Plan, list[int]]:
    """The plan, and which step each of its instances is."""
    program = Program(name=run.name, target=target.name)
    plan = Plan(program=program, target=target, instructions=[])
    instances: dict[int, int] = {}
    places: list[int] = []
    weights: Step | None = None
    ahead: dict[str, tuple[int, ...]] = {}
    builder = _Builder(program, target)
    for step in _in_order(run):
        if step.opcode == "load weights":
            weights = step
            ahead["tensor"] = ahead.get("tensor", ()) + step.waits
            continue
        waits = ahead.pop(step.engine, ()) + step.waits
        work = builder.work(step, weights)
        if step.opcode == "matmul":
            weights = None
        instances[step.number] = len(places)
        places.append(step.number)
        plan.instances.append(len(plan.instructions))
        plan.instructions.append(Instruction(step.opcode, {}, {}, step.engine))
        plan.works.append(work)
        plan.waits.append(tuple(2 * instances[number] for number in dict.fromkeys(waits)))
    return plan, places


def _in_order(run: Run) -> Iterator[Step]:
    """By start, except that weights come right before the matmul that follows them on the engine."""
    held: list[Step] = []
    for step in run.steps:
        if step.opcode == "load weights":
            held.append(step)
            continue
        if step.opcode == "matmul" and held:
            yield held.pop(0)
        yield step


class _Builder:
    """Prices of steps: what the model charges for an instruction of that shape."""

    def __init__(self, program: Program, target: Target) -> None:
        self.program = program
        self.target = target
        self.known: dict[tuple[str, str, str, str], Work] = {}

    def work(self, step: Step, weights: Step | None) -> Work:
        key = (step.engine, step.opcode, step.detail, weights.detail if weights is not None else "")
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._price(step, key[3])
        return found

    def _price(self, step: Step, weights: str) -> Work:
        if step.opcode == "wait":
            lane = LANE_OF[step.engine]
            return Work(kind=REGISTER, lane=lane, interval_ns=self.target["semaphore.wait_ns"])
        if step.opcode == "matmul":
            return self._matmul(step.detail, weights)
        if step.opcode == "dma":
            return self._transfer(step)
        return price(self._instruction(step), self.target)

    def _matmul(self, detail: str, weights: str) -> Work:
        kind, columns = detail.split()
        passes = 2 if kind == "fp32" else 1
        load = 0.0
        if weights:
            stored, *rest = weights.split()
            transpose = "transpose" in rest
            if stored == "fp32":
                load = int(rest[0]) * self.target[f"tensor.load_cycles_fp32{'_transpose' if transpose else ''}"]
            else:
                load = int(rest[0]) / self.target["tensor.fast_load_ratio"]
        shape = TRANSPOSE if "transpose" in weights else MATMUL
        return Work(kind=shape, lane=TENSOR, cycles=int(columns) * passes, load_cycles=load, columns=int(columns))

    def _transfer(self, step: Step) -> Work:
        generator, direction, rows, read, written = step.detail.split()
        count, load = int(rows), direction == "load"
        transfer = priced(
            self.target,
            lane=DMA_LOAD if load else DMA_STORE,
            trigger=LANE_OF[step.engine],
            mode=f"{generator}dge",
            descriptors=count,
            run_bytes=max(int(read), int(written)),
            engines=min(int(self.target["dma.engines"]), ceil(count / self.target["dma.partitions_per_engine"])),
            read_bytes=count * int(read) if load else 0,
            write_bytes=0 if load else count * int(written),
            moved_bytes=count * max(int(read), int(written)),
            casts=read != written,
        )
        return Work(kind=TRANSFER, lane=transfer.lane, transfer=transfer)

    def _instruction(self, step: Step) -> Instruction:
        kind, elements, memory, out = step.detail.split()
        source = self._tile(memory, int(elements), TYPES[kind])
        vector = self._tile("sbuf", 1, float32)
        if step.opcode == "reduce":
            operands: dict[str, Operand] = {"dst": self._tile("sbuf", 1, float32), "data": source}
            attributes = {"op": "add", "axis": (1,), "negate": False, "keepdims": False}
            return Instruction("tensor_reduce", operands, attributes, step.engine)
        target = self._tile("sbuf", int(elements), TYPES[out])
        if step.opcode == "copy":
            return Instruction("tensor_copy", {"dst": target, "src": source}, {"engine": step.engine}, step.engine)
        if step.opcode == "reciprocal":
            return Instruction("reciprocal", {"dst": target, "data": source}, {}, step.engine)
        if step.opcode == "scale":
            scaled: dict[str, Operand] = {"dst": target, "data": source, "operand0": vector, "operand1": None}
            ways = {"op0": "multiply", "op1": None, "reverse0": False, "reverse1": False, "engine": step.engine}
            return Instruction("tensor_scalar", scaled, ways, step.engine)
        assert step.opcode == "activate"
        activated: dict[str, Operand] = {
            "dst": target,
            "data": source,
            "bias": vector,
            "scale": 1.0,
            "reduce_res": None,
        }
        # The list leaves out the table's load, which lies before the first data are there: copy needs no table.
        return Instruction(
            "activation", activated, {"op": "copy", "reduce_op": None, "reduce_cmd": "idle"}, step.engine
        )

    def _tile(self, space: str, elements: int, dtype: DType) -> AccessPattern:
        tensor = TensorDecl(
            index=len(self.program.tensors),
            name="",
            space="psum" if space == "psum" else "sbuf",
            buffer=space,
            shape=(128, elements),
            dtype=dtype,
        )
        self.program.tensors.append(tensor)
        return tensor.whole()
