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
    "buffer reuse", "table load", "weight load", "dma queue", "loop branch", "shared port",
)  # fmt: skip
"""Causes: an engine's or transfer's result (1 + lane), a buffer not yet free, and machine states."""

NO_STALL = 0
REUSE_STALL = 9
TABLE_STALL = 10
WEIGHT_STALL = 11
QUEUE_STALL = 12
BRANCH_STALL = 13
PORT_STALL = 14

KINDS: tuple[str, ...] = ("compute", "matmul", "transpose", "trigger", "transfer", "table load", "register", "branch")
COMPUTE, MATMUL, TRANSPOSE, TRIGGER, TRANSFER, TABLE_LOAD, REGISTER, BRANCH = range(8)

SBUF_PORT, PSUM_PORT, BUS_PORT = 1, 2, 4
PORTS: tuple[int, ...] = (SBUF_PORT, PSUM_PORT, BUS_PORT)
"""What engines share: Vector and GpSimd the way to SBUF, Vector and Scalar that to PSUM, Vector's fast modes a bus."""

WHOLE_ARRAY = 0xFFFF
"""All 4 x 4 cells of 32 x 32 processing elements; bit 4 * row + column."""
