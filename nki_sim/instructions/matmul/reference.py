"""Reference meaning of nc_matmul and nc_transpose.

The hardware's order of summation over K is not documented. This reference sums in float64, where products of float32
are exact, rounds once to float32, and adds that to PSUM in float32. An engine that sums in float32, in any order,
differs by at most `matmul_error_bound`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nki_sim.instructions.call import Array, Float32, Reference, ReferenceCall
from nki_sim.program.dtypes import round_tfloat32, tfloat32

_UNIT_ROUNDOFF = 2.0**-24
_SMALLEST = 2.0**-149


def matmul_error_bound(
    stationary: Float32, moving: Float32, previous: Float32 | None = None
) -> npt.NDArray[np.float64]:
    """Largest difference [M, N] that two float32 summation orders of stationary[K, M].T @ moving[K, N] can show.

    Each of the K products (unless fused) and K additions rounds once, relative to the sum of magnitudes so far (Higham,
    "Accuracy and Stability of Numerical Algorithms", section 3.1); `previous` is what was in PSUM before.
    """
    depth = stationary.shape[0]
    magnitude = np.abs(stationary.astype(np.float64)).T @ np.abs(moving.astype(np.float64))
    if previous is not None:
        magnitude = magnitude + np.abs(previous.astype(np.float64))
    return np.asarray((depth + 3) * _UNIT_ROUNDOFF * magnitude * 1.01 + depth * _SMALLEST)


def _operand(call: ReferenceCall, name: str) -> Float32:
    """The operand as [K, free]; in double_row mode the pair in the first free dimension joins K."""
    values = call.read_f32(name)
    if call.dtype(name) is tfloat32:
        values = round_tfloat32(values)
    if call.attributes.get("perf_mode") == "double_row":
        return values.reshape(values.shape[0] * 2, -1)
    return values.reshape(values.shape[0], -1)


def nc_matmul(call: ReferenceCall) -> None:
    """nki.isa.nc_matmul: dst[M, N] = stationary[K, M].T @ moving[K, N], added to dst where `accumulate` says so.

    With a bfloat16 dst (gen4) every step adds in float32 and rounds to nearest even; the other mode of the hardware,
    stochastic rounding, is not modelled (trainium3_arch, near-memory accumulation). On gen2 is_transpose is a label
    only (nki.isa.nc_matmul, Transpose mode).
    """
    if call.attributes.get("is_transpose") and call.target.generation > 2:
        _transpose_mode(call)
        return
    stationary, moving = _operand(call, "stationary"), _operand(call, "moving")
    with np.errstate(all="ignore"):
        product = (stationary.astype(np.float64).T @ moving.astype(np.float64)).astype(np.float32)
    accumulate = call.attributes["accumulate"]
    if accumulate is None:
        raise ValueError("accumulate has to be resolved before an engine sees it")
    if not np.any(accumulate):
        call.write("dst", product)
        return
    before = call.read_f32("dst").reshape(product.shape)
    wanted = np.asarray(accumulate, np.bool_)
    mask = wanted.reshape(product.shape) if wanted.ndim else wanted
    call.write("dst", np.where(mask, before + product, product))


def _transpose_mode(call: ReferenceCall) -> None:
    """The data is stationary and moving an identity: each moving column picks a row of data, without arithmetic.

    trainium2_arch, "Transpose". The result replaces what was in PSUM (assumed: nc_transpose has no accumulate).
    """
    data = call.read("stationary")
    data = data.reshape(data.shape[0], -1)
    selector = call.read_f32("moving")
    selector = selector.reshape(selector.shape[0], -1)
    if not (np.all((selector == 0) | (selector == 1)) and np.all(np.sum(selector, axis=0) == 1)):
        call.undocumented("nc_matmul with is_transpose needs an identity as moving: one 1 in each column, 0 elsewhere")
    _write_transposed(call, "stationary", data[np.argmax(selector, axis=0)].T)


def _write_transposed(call: ReferenceCall, source: str, transposed: Array) -> None:
    given, wanted = call.dtype(source), call.dtype("dst")
    if given is wanted:
        call.write_raw("dst", np.ascontiguousarray(transposed))
    elif given.itemsize == 1 and wanted.itemsize == 2:
        # trainium2_arch: fp8 comes out as 16-bit elements whose upper byte is zero.
        wide = np.ascontiguousarray(transposed).view(np.uint8).astype(np.uint16)
        call.write_raw("dst", wide.view(wanted.storage))
    else:
        call.write("dst", transposed.astype(np.float32))


def nc_transpose(call: ReferenceCall) -> None:
    """nki.isa.nc_transpose: dst[F, P] = data[P, F], free dimensions flattened, bit for bit.

    On gen2 the Tensor Engine's transpose is exact for finite data only; for NaN and infinity the bits are kept here
    too.
    """
    data = call.read("data")
    _write_transposed(call, "data", data.reshape(data.shape[0], -1).T)


REFERENCE: Mapping[str, Reference] = MappingProxyType({"nc_matmul": nc_matmul, "nc_transpose": nc_transpose})
