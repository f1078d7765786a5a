"""Lanes of a timeline, and the words for why one waited."""

from __future__ import annotations

LANES: tuple[str, ...] = (
    "tensor", "vector", "scalar", "gpsimd", "sync",
    "dma load", "dma store", "dma copy",
)  # fmt: skip
"""Engines first, then DMA transfers by direction: HBM to SBUF, SBUF to HBM, within one memory."""

TENSOR, VECTOR, SCALAR, GPSIMD, SYNC, DMA_LOAD, DMA_STORE, DMA_COPY = range(8)
ENGINES = 5
LANE_OF: dict[str, int] = {name: number for number, name in enumerate(LANES[:ENGINES])}

STALLS: tuple[str, ...] = (
    "none", "tensor", "vector", "scalar", "gpsimd", "sync", "dma load", "dma store", "dma copy",
    "buffer reuse", "table load", "weight load", "dma queue", "loop branch",
)  # fmt: skip
"""Causes: an engine's or transfer's result (1 + lane), a buffer not yet free, and machine states."""

NO_STALL = 0
REUSE_STALL = 9
TABLE_STALL = 10
WEIGHT_STALL = 11
QUEUE_STALL = 12
BRANCH_STALL = 13

KINDS: tuple[str, ...] = ("compute", "matmul", "transpose", "trigger", "transfer", "table load", "register", "branch")
COMPUTE, MATMUL, TRANSPOSE, TRIGGER, TRANSFER, TABLE_LOAD, REGISTER, BRANCH = range(8)
