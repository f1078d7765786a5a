"""Compiled form of nc_stream_shuffle: one row copy per destination partition, its source row taken from a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nki_sim.diagnostics.model import Diagnostic, UndocumentedBehaviour
from nki_sim.engines.jit.context import Context, Tile
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.types import INT64

QUADRANT = 32
UNMODIFIED = 255


def nc_stream_shuffle(ctx: Context) -> None:
    dst, src = ctx.tile("dst"), ctx.tile("src")
    builder = ctx.builder
    rows = ctx.constant("shuffle_mask")
    with ctx.loop(dst.partitions) as partition:
        chosen = builder.load(builder.gep(rows, [partition], source_etype=INT64), typ=INT64)
        with ctx.unlikely(builder.icmp_signed(">=", chosen, INT64(0))):
            to, from_ = (
                Tile(
                    tile.dtype,
                    ctx.offset(tile.pointer, builder.mul(number, INT64(tile.partition_stride_bytes))),
                    tile.free,
                    False,
                )
                for tile, number in ((dst, partition), (src, chosen))
            )
            ctx.copy_any(to, from_)


def _source_rows(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mask as the source row of each destination partition, -1 to keep it."""
    mask = attributes["shuffle_mask"]
    available = operands["src"].shape[0]
    rows = np.empty(operands["dst"].shape[0], np.int64)
    for partition in range(len(rows)):
        quadrant, lane = divmod(partition, QUADRANT)
        chosen = int(mask[lane])
        rows[partition] = -1 if chosen == UNMODIFIED else quadrant * QUADRANT + chosen
        if chosen != UNMODIFIED and not 0 <= rows[partition] < available:
            raise UndocumentedBehaviour(
                [
                    Diagnostic(
                        code="undocumented",
                        message=f"nc_stream_shuffle: dst partition {partition} takes src partition {rows[partition]}, "
                        f"but src has {available} partitions",
                        owner="documents",
                    )
                ]
            )
    return operands, {**attributes, "shuffle_mask": rows}


LOWERING: Mapping[str, Lowering] = {"nc_stream_shuffle": Lowering(emit=nc_stream_shuffle, prepare=_source_rows)}
