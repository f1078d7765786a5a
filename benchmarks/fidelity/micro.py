"""Single instructions and transfers, simulated by micro-programs; the figures are ns unless the name says otherwise.

`MEASURES` has one function per id of data/points.csv that a micro-program reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from benchmarks.fidelity.building import Micro, duration_ns, instructions, interval_ns
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType, bfloat16, float32
from nki_sim.timing.clock import clock_gate
from nki_sim.timing.lanes import TRIGGER
from nki_sim.timing.timeline import Rows, Timeline, machine_rows
from nki_sim.timing.transfers import transfer_of

Measure = Callable[[], float]
WARM = 400


def _products(columns: int, dtype: DType, count: int, transpose: bool = False, target: str = "trn2") -> Timeline:
    micro = Micro(target)
    for _ in range(count):
        if transpose:
            micro.transpose(micro.tile(128, space="psum", dtype=dtype), micro.tile(128, dtype=dtype))
        else:
            result = micro.tile(columns, space="psum")
            micro.matmul(result, micro.tile(128, dtype=dtype), micro.tile(columns, dtype=dtype))
    return micro.run()


def _last(rows: Rows, count: int) -> Rows:
    kept: Rows = rows[-count:]
    return kept


def _pe_interval(columns: int, dtype: DType, cold: bool = False, transpose: bool = False) -> float:
    rows = _products(columns, dtype, 4 if cold else WARM, transpose).lane("tensor")
    return interval_ns(rows[:4] if cold else _last(rows, 20))


def _pe_duration(columns: int, dtype: DType, cold: bool = False, transpose: bool = False) -> float:
    rows = _products(columns, dtype, 4 if cold else WARM, transpose).lane("tensor")
    return duration_ns(rows[1:4] if cold else _last(rows, 20))


def _weights(dtype: DType, transpose: bool) -> float:
    """Duration of a weight load at full clock."""
    timeline = _products(512, dtype, WARM, transpose)
    rows = machine_rows(timeline)
    loads = rows[np.isin(rows["start_ns"], timeline.rows["load_start_ns"])]
    return duration_ns(_last(loads, 20))


def _isolated_transpose(cold: bool) -> float:
    """Weight load to completion of a float32 transpose on an idle Tensor Engine."""
    micro = Micro()
    for _ in range(0 if cold else 100):
        micro.matmul(micro.tile(512, space="psum"), micro.tile(128, dtype=bfloat16), micro.tile(512, dtype=bfloat16))
    seed = micro.tile(128, space="psum")
    micro.matmul(seed, micro.tile(128, dtype=bfloat16), micro.tile(128, dtype=bfloat16))
    micro.transpose(micro.tile(128, space="psum"), micro.copy(micro.tile(128), seed))
    row = micro.run().lane("tensor")[-1]
    return float(row["end_ns"] - row["load_start_ns"])


def _streams(issue: Callable[[Micro], object], lane: str, interval: bool, target: str = "trn2") -> float:
    micro = Micro(target)
    for _ in range(6):
        issue(micro)
    rows = instructions(micro.run(), lane)
    return interval_ns(rows) if interval else duration_ns(rows)


def _exponential(micro: Micro, space: str) -> None:
    micro.activate(micro.tile(512), micro.tile(512, space=space), bias=micro.tile(1))


def _copy(micro: Micro, engine: str, columns: int) -> None:
    micro.copy(micro.tile(columns), micro.tile(columns, space="psum"), engine)


def _reduce(micro: Micro, columns: int) -> None:
    micro.reduce(micro.tile(1), micro.tile(columns))


def _reciprocal(micro: Micro, columns: int) -> None:
    micro.reciprocal(micro.tile(columns), micro.tile(columns))


def _scale(micro: Micro, space: str, columns: int) -> None:
    micro.scale(micro.tile(columns), micro.tile(columns, space=space), micro.tile(1))


def lone_exponential(partitions: int, columns: int) -> float:
    micro = Micro()
    tile = micro.tile(columns, dtype=bfloat16, partitions=partitions)
    micro.activate(micro.tile(columns, dtype=bfloat16, partitions=partitions), tile)
    return duration_ns(instructions(micro.run(), "scalar"))


def _table_load() -> float:
    micro = Micro()
    micro.activate(micro.tile(128), micro.tile(128))
    rows = micro.run().lane("scalar")
    return float(rows["end_ns"][0] - rows["start_ns"][0])


def _hand_over(consumer: str) -> float:
    """Completion of a producer to the start of a consumer that waits for it."""
    micro = Micro()
    if consumer == "vector":
        bank = micro.matmul(micro.tile(512, space="psum"), micro.tile(128), micro.tile(512))
        micro.copy(micro.tile(512), bank)
    else:
        made = micro.copy(micro.tile(128), micro.tile(128, space="psum"))
        micro.matmul(micro.tile(128, space="psum"), made, micro.tile(128))
    rows = micro.run().rows
    name = "load_start_ns" if consumer == "tensor" else "start_ns"
    producer = rows[rows["instruction"] == 0]["end_ns"].max()
    return float(rows[rows["instruction"] == 1][name].min() - producer)


def _load(rows: int, row_bytes: int, mode: str, tiles: int = 1) -> float:
    """Trigger to completion of an unloaded transfer from HBM."""
    return _moved(rows, row_bytes, mode, tiles, store=False).total_ns


def _moved(rows: int, row_bytes: int, mode: str, tiles: int, store: bool) -> Timeline:
    micro = Micro()
    columns = row_bytes // 4
    chip = micro.tile(tiles * columns, partitions=rows)
    other = micro.hbm(tiles * rows, columns, output=store)
    pattern = AccessPattern(
        other, float32, None, 0, ((columns, rows), (columns * rows, tiles), (1, columns)) if tiles > 1
        else ((columns, rows), (1, columns))
    )  # fmt: skip
    near = AccessPattern(
        chip, float32, (0, 1, rows), 0, ((columns, tiles), (1, columns)) if tiles > 1 else ((1, columns),)
    )
    micro.move(pattern if store else near, near if store else pattern, mode, "sync" if mode == "hwdge" else "unknown")
    return micro.run()


def _store_512_kilobytes() -> float:
    """To the first engine's completion, which is what the published figure turns out to be."""
    timeline = _moved(128, 2048, "hwdge", 2, store=True)
    return timeline.total_ns - 15 * timeline.target["dma.stagger_ns"]


def _descriptor(row_bytes: int) -> float:
    micro = Micro()
    micro.move(micro.tile(row_bytes // 4, partitions=16), micro.hbm(16, row_bytes // 4))
    transfer = transfer_of(micro.program.body[0], micro.target)  # type: ignore[arg-type]
    return transfer.engine_ns / (transfer.descriptors / transfer.engines)


def _casting_descriptor() -> float:
    """One of 512 bytes read in float32 and 256 written in bfloat16."""
    micro = Micro()
    micro.move(micro.tile(128, partitions=1, dtype=bfloat16), micro.hbm(1, 128))
    transfer = transfer_of(micro.program.body[0], micro.target)  # type: ignore[arg-type]
    return transfer.engine_ns / (transfer.descriptors / transfer.engines)


def _queued_rate() -> float:
    """bytes per ns of 512-KB loads that queue up."""
    micro = Micro()
    for _ in range(40):
        micro.move(micro.tile(1024), micro.hbm(128, 1024), "swdge")
    done = micro.run().lane("dma load")["issue_end_ns"]
    return 30 * 524288 / float(done[-1] - done[9])


def _trigger(mode: str, what: str) -> float:
    micro = Micro()
    for _ in range(4):
        micro.move(micro.tile(128), micro.hbm(128, 128), mode)
    timeline = micro.run()
    triggers = timeline.rows[timeline.rows["kind"] == TRIGGER]
    packets = timeline.lane("dma load")
    if what == "duration":
        return duration_ns(triggers)
    if what == "interval":
        return interval_ns(triggers)
    return float(packets["start_ns"][0] - triggers["start_ns"][0])


def _software_first_packet(store: bool) -> float:
    timeline = _moved(128, 512, "swdge", 1, store=store)
    return float(timeline.lane("dma store" if store else "dma load")["start_ns"][0])


def _store_rate() -> float:
    """bytes per ns of a store of 1 MB in rows of 2 KiB, first to last packet."""
    packets = _moved(128, 2048, "hwdge", 4, store=True).lane("dma store")[0]
    return 1048576 / float(packets["issue_end_ns"] - packets["start_ns"])


def _wake() -> float:
    micro = Micro()
    tile = micro.tile(128)
    micro.move(tile, micro.hbm(128, 128), "hwdge")
    micro.copy(micro.tile(128), tile)
    timeline = micro.run()
    return float(timeline.lane("vector")["start_ns"][0] - timeline.lane("dma load")["end_ns"][0])


def _one_engine(store: bool, target: str = "trn2") -> float:
    """Time the single DMA engine of a 32-KiB transfer [4, 4096] bfloat16 is busy, waits for HBM included."""
    micro = Micro(target)
    tile = micro.tile(4096, dtype=bfloat16, partitions=4)
    other = micro.hbm(4, 4096, dtype=bfloat16, output=store)
    micro.move(other if store else tile, tile if store else other)
    row = micro.run().lane("dma store" if store else "dma load")[0]
    return float(row["end_ns"] - row["start_ns"])


def _throughput(row_bytes: int) -> float:
    """Bytes per ns of many loads [128, row_bytes], relative to rows of 32 KiB."""

    def rate(size: int) -> float:
        micro = Micro()
        for _ in range(24):
            micro.move(micro.tile(size // 2, dtype=bfloat16), micro.hbm(128, size // 2, dtype=bfloat16), "hwdge")
        done = micro.run().lane("dma load")["issue_end_ns"]
        return 12 * 128 * size / float(done[-1] - done[-13])

    return rate(row_bytes) / rate(32768)


def _clock_window() -> float:
    return clock_gate(Micro().target).end_ns


def _spill(target: str = "trn1") -> float:
    """DMA time of a 4-MiB reload."""
    micro = Micro(target)
    for _ in range(4):
        micro.move(micro.tile(2048), micro.hbm(128, 2048))
    return micro.run().dma_busy_ns


def _trn1_tensor_tensor(partitions: int) -> float:
    micro = Micro("trn1")
    one, other, total = (micro.tile(8192, partitions=partitions) for _ in range(3))
    micro.add(total, one, other)
    return duration_ns(micro.run().lane("vector"))


def _trn1_chain(what: str) -> float:
    micro = Micro("trn1")
    tile = micro.tile(1)
    for _ in range(5):
        micro.activate(tile, tile, "copy")
    rows = micro.run().lane("scalar")
    return interval_ns(rows) if what == "interval" else duration_ns(rows)


def _trn1_activation() -> float:
    micro = Micro("trn1")
    micro.activate(micro.tile(8192), micro.tile(8192), "copy")
    return duration_ns(micro.run().lane("scalar"))


def _trn1_column_rate() -> float:
    """Moving columns per ns of a long bfloat16 stream."""
    rows = _products(512, bfloat16, 200, target="trn1").lane("tensor")
    return 512 / interval_ns(rows)


MEASURES: Mapping[str, Measure] = {
    "M-pe-bf16-512/interval": partial(_pe_interval, 512, bfloat16),
    "M-pe-bf16-512/duration": partial(_pe_duration, 512, bfloat16),
    "M-pe-bf16-512/half-interval": partial(_pe_interval, 512, bfloat16, cold=True),
    "M-pe-bf16-512/half-duration": partial(_pe_duration, 512, bfloat16, cold=True),
    "M-pe-bf16-128/interval": partial(_pe_interval, 128, bfloat16, transpose=True),
    "M-pe-bf16-128/duration": partial(_pe_duration, 128, bfloat16, transpose=True),
    "M-pe-bf16-128/half-interval": partial(_pe_interval, 128, bfloat16, cold=True, transpose=True),
    "M-pe-bf16-128/half-duration": partial(_pe_duration, 128, bfloat16, cold=True, transpose=True),
    "M-pe-fp32-512/interval": partial(_pe_interval, 512, float32),
    "M-pe-fp32-512/duration": partial(_pe_duration, 512, float32),
    "M-pe-fp32-512/half-interval": partial(_pe_interval, 512, float32, cold=True),
    "M-pe-fp32-512/half-duration": partial(_pe_duration, 512, float32, cold=True),
    "M-pe-fp32-128/interval": partial(_pe_interval, 128, float32),
    "M-pe-fp32-128/duration": partial(_pe_duration, 128, float32),
    "M-pe-fp32-128/half-interval": partial(_pe_interval, 128, float32, cold=True),
    "M-pe-fp32-128/half-duration": partial(_pe_duration, 128, float32, cold=True),
    "M-pe-ldw/bf16": partial(_weights, bfloat16, False),
    "M-pe-ldw/fp32": partial(_weights, float32, False),
    "M-pe-ldw/fp32-transpose": partial(_weights, float32, True),
    "M-pe-transpose-lat/full": partial(_isolated_transpose, False),
    "M-pe-transpose-lat/half": partial(_isolated_transpose, True),
    "M-pe-throttle/window": _clock_window,
    "B-mm-instr/interval": partial(_pe_interval, 512, float32),
    "Q-mm-cold/interval": partial(_pe_interval, 512, bfloat16, cold=True),
    "M-act-exp-psum/interval": partial(_streams, partial(_exponential, space="psum"), "scalar", True),
    "M-act-exp-psum/duration": partial(_streams, partial(_exponential, space="psum"), "scalar", False),
    "M-act-exp-sbuf/interval": partial(_streams, partial(_exponential, space="sbuf"), "scalar", True),
    "M-act-exp-sbuf/duration": partial(_streams, partial(_exponential, space="sbuf"), "scalar", False),
    "M-act-copy-512/interval": partial(_streams, partial(_copy, engine="scalar", columns=512), "scalar", True),
    "M-act-copy-512/duration": partial(_streams, partial(_copy, engine="scalar", columns=512), "scalar", False),
    "M-act-copy-128/interval": partial(_streams, partial(_copy, engine="scalar", columns=128), "scalar", True),
    "M-act-copy-128/duration": partial(_streams, partial(_copy, engine="scalar", columns=128), "scalar", False),
    "M-dve-copy-512/interval": partial(_streams, partial(_copy, engine="vector", columns=512), "vector", True),
    "M-dve-copy-512/duration": partial(_streams, partial(_copy, engine="vector", columns=512), "vector", False),
    "M-dve-copy-128/duration": partial(_streams, partial(_copy, engine="vector", columns=128), "vector", False),
    "M-dve-reduce-512/interval": partial(_streams, partial(_reduce, columns=512), "vector", True),
    "M-dve-reduce-512/duration": partial(_streams, partial(_reduce, columns=512), "vector", False),
    "M-dve-reduce-small/4": partial(_streams, partial(_reduce, columns=4), "vector", False),
    "M-dve-reduce-small/16": partial(_streams, partial(_reduce, columns=16), "vector", False),
    "M-dve-recip/4": partial(_streams, partial(_reciprocal, columns=4), "vector", False),
    "M-dve-recip/8": partial(_streams, partial(_reciprocal, columns=8), "vector", False),
    "M-dve-ts-512/interval": partial(_streams, partial(_scale, space="sbuf", columns=512), "vector", True),
    "M-dve-ts-512/duration": partial(_streams, partial(_scale, space="sbuf", columns=512), "vector", False),
    "M-dve-ts-128-psum/interval": partial(_streams, partial(_scale, space="psum", columns=128), "vector", True),
    "M-dve-ts-128-psum/duration": partial(_streams, partial(_scale, space="psum", columns=128), "vector", False),
    "E-act-4x4096/duration": partial(lone_exponential, 4, 4096),
    "E-act-4x4096/table": _table_load,
    "M-sem/vector": partial(_hand_over, "vector"),
    "M-sem/tensor": partial(_hand_over, "tensor"),
    "M-dma-desc/4": partial(_descriptor, 4),
    "M-dma-desc/256": partial(_descriptor, 256),
    "M-dma-desc/512": partial(_descriptor, 512),
    "M-dma-desc/1024": partial(_descriptor, 1024),
    "M-dma-desc/2048": partial(_descriptor, 2048),
    "M-dma-desc/4096": partial(_descriptor, 4096),
    "M-dma-desc/cast": _casting_descriptor,
    "M-dma-agg": _queued_rate,
    "M-dma-agg/store": _store_rate,
    "M-dma-hwdge/duration": partial(_trigger, "hwdge", "duration"),
    "M-dma-hwdge/first": partial(_trigger, "hwdge", "first"),
    "M-dma-hwdge/interval": partial(_trigger, "hwdge", "interval"),
    "M-dma-swdge/interval": partial(_trigger, "swdge", "interval"),
    "M-dma-swdge/load-first": partial(_software_first_packet, False),
    "M-dma-swdge/store-first": partial(_software_first_packet, True),
    "M-dma-e2e-small/128x256-hw": partial(_load, 128, 256, "hwdge"),
    "M-dma-e2e-small/128x512-hw": partial(_load, 128, 512, "hwdge"),
    "M-dma-e2e-small/128x1024-sw": partial(_load, 128, 1024, "swdge"),
    "M-dma-e2e-small/128x2048-sw": partial(_load, 128, 2048, "swdge"),
    "M-dma-e2e-small/128x4096-sw": partial(_load, 128, 4096, "swdge"),
    "M-dma-e2e-small/2x128x2048-hw": partial(_load, 128, 2048, "hwdge", 2),
    "M-dma-e2e-small/2x128x2048-store": _store_512_kilobytes,
    "M-dma-wake": _wake,
    "E-load-4x4096": partial(_one_engine, False),
    "E-store-4x4096": partial(_one_engine, True),
    "E-curve/64": partial(_throughput, 64),
    "E-curve/256": partial(_throughput, 256),
    "E-curve/512": partial(_throughput, 512),
    "E-curve/1024": partial(_throughput, 1024),
    "E-curve/2048": partial(_throughput, 2048),
    "E-curve/4096": partial(_throughput, 4096),
    "E-curve/8192": partial(_throughput, 8192),
    "P-tt-8192": partial(_trn1_tensor_tensor, 128),
    "P-act-8192": _trn1_activation,
    "P-act-dep/interval": partial(_trn1_chain, "interval"),
    "P-act-dep/duration": partial(_trn1_chain, "duration"),
    "P-mm-128": lambda: duration_ns(_products(128, bfloat16, 20, target="trn1").lane("tensor")[2:]),
    "P-spill-4MiB": _spill,
    "P-dma-32KiB": partial(_one_engine, False, "trn1"),
    "A4-pe-rate": _trn1_column_rate,
}
