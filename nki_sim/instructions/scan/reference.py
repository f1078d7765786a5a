"""Reference meaning of tensor_tensor_scan."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from nki_sim.instructions.call import Reference, ReferenceCall
from nki_sim.instructions.operators import arithmetic


def tensor_tensor_scan(call: ReferenceCall) -> None:
    """nki.isa.tensor_tensor_scan: r[i] = (data0[i] op0 r[i - 1]) op1 data1[i], r[-1] = initial, per partition.

    The state between elements is float32, also where dst is narrower. reverse0 and reverse1 swap the two sides of their
    operator.
    """
    op0, op1 = call.attributes["op0"], call.attributes["op1"]
    reverse0, reverse1 = bool(call.attributes.get("reverse0")), bool(call.attributes.get("reverse1"))
    partitions = call.shape("data0")[0]
    data0 = call.read_f32("data0").reshape(partitions, -1)
    data1 = call.read_f32("data1").reshape(partitions, -1)
    state = np.broadcast_to(call.scalar_or_tile("initial", like="data0").reshape(-1), (partitions,)).copy()
    result = np.empty_like(data0)
    for i in range(data0.shape[1]):
        state = arithmetic(op1, arithmetic(op0, data0[:, i], state, reverse0), data1[:, i], reverse1)
        result[:, i] = state
    call.write("dst", result)


REFERENCE: Mapping[str, Reference] = MappingProxyType({"tensor_tensor_scan": tensor_tensor_scan})
