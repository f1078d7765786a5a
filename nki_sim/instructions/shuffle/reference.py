"""Reference meaning of nc_stream_shuffle."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nki_sim.instructions.call import Reference, ReferenceCall

QUADRANT = 32
UNMODIFIED = 255


def nc_stream_shuffle(call: ReferenceCall) -> None:
    """nki.isa.nc_stream_shuffle: in each quadrant of 32 partitions, dst[i] = src[shuffle_mask[i]]; 255 keeps dst[i]."""
    mask = call.attributes["shuffle_mask"]
    source, result = call.read("src"), call.read("dst")
    flat = source.reshape(source.shape[0], -1)
    out = result.reshape(result.shape[0], -1)
    for partition in range(out.shape[0]):
        quadrant, lane = divmod(partition, QUADRANT)
        chosen = int(mask[lane])
        if chosen == UNMODIFIED:
            continue
        row = quadrant * QUADRANT + chosen
        if not 0 <= row < flat.shape[0]:
            call.undocumented(
                f"nc_stream_shuffle: dst partition {partition} takes src partition {row}, "
                f"but src has {flat.shape[0]} partitions"
            )
        out[partition] = flat[row]
    call.write_raw("dst", out)


REFERENCE: Mapping[str, Reference] = MappingProxyType({"nc_stream_shuffle": nc_stream_shuffle})
