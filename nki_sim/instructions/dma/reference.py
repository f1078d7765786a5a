"""Reference meaning of dma_copy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nki_sim.instructions.call import Reference, ReferenceCall
from nki_sim.program.dtypes import cast


def dma_copy(call: ReferenceCall) -> None:
    """nki.isa.dma_copy: dst = src in row-major order; bit for bit when the types agree, through float32 otherwise.

    Rows whose run-time address is out of bounds are left out on both sides (oob_mode "skip"); with "error" the engine
    has raised before this is called.
    """
    values = cast(call.read("src"), call.dtype("src"), call.dtype("dst"))
    call.write_raw("dst", values, where=call.in_bounds("src").reshape(call.shape("dst")))


REFERENCE: Mapping[str, Reference] = MappingProxyType({"dma_copy": dma_copy})
