"""The data types of NKI: names, sizes, how their values are stored on the host, and the casts between them.

Sources: nki.api.shared.rst (list and layouts), nki.isa API pages (which types an instruction takes). Rounding is to
nearest, ties to even; float to integer rounds half to even and saturates (release notes, components/nki.rst).
"""

from __future__ import annotations

from typing import Any, Literal

import ml_dtypes
import numpy as np
import numpy.typing as npt

Kind = Literal["float", "int", "uint", "bool"]


class DType(str):
    """A data type. Behaves as its name: hashable, comparable with names, NumPy, ml_dtypes and torch types.

    itemsize   bytes per element in device memory
    kind       "float", "int", "uint" or "bool"
    storage    the NumPy type that holds one element on the host, bit for bit as on the device
    """

    __slots__ = ("class32", "itemsize", "kind", "storage")

    itemsize: int
    kind: Kind
    storage: np.dtype[Any]
    class32: bool

    def __new__(cls, name: str, kind: Kind, storage: Any) -> DType:
        self = super().__new__(cls, name)
        self.kind = kind
        self.storage = np.dtype(storage)
        self.itemsize = self.storage.itemsize
        self.class32 = kind == "float" and self.itemsize == 4
        return self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other) is True
        found = _lookup(other)
        return found is not None and str.__eq__(self, found) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __repr__(self) -> str:
        return f"nl.{self!s}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return dtype_of, (str(self),)

    @property
    def name(self) -> str:
        return str(self)

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")


int8 = DType("int8", "int", np.int8)
int16 = DType("int16", "int", np.int16)
int32 = DType("int32", "int", np.int32)
uint8 = DType("uint8", "uint", np.uint8)
uint16 = DType("uint16", "uint", np.uint16)
uint32 = DType("uint32", "uint", np.uint32)
float32 = DType("float32", "float", np.float32)
float16 = DType("float16", "float", np.float16)
bfloat16 = DType("bfloat16", "float", ml_dtypes.bfloat16)
# One sign, eight exponent and ten mantissa bits in a 32-bit container: the low 13 bits are zero.
tfloat32 = DType("tfloat32", "float", np.float32)
float8_e4m3 = DType("float8_e4m3", "float", ml_dtypes.float8_e4m3)
float8_e4m3fn = DType("float8_e4m3fn", "float", ml_dtypes.float8_e4m3fn)
float8_e5m2 = DType("float8_e5m2", "float", ml_dtypes.float8_e5m2)
# Stored as one byte, 0 or 1.
bool_ = DType("bool", "bool", np.uint8)

ALL: tuple[DType, ...] = (
    int8, int16, int32, uint8, uint16, uint32,
    float32, float16, bfloat16, tfloat32, float8_e4m3, float8_e4m3fn, float8_e5m2, bool_,
)  # fmt: skip

_BY_NAME: dict[str, DType] = {str(d): d for d in ALL}
_BY_NAME["bool_"] = bool_
BY_STORAGE: dict[np.dtype[Any], DType] = {d.storage: d for d in ALL if d is not tfloat32 and d is not bool_}
BY_STORAGE[np.dtype(np.bool_)] = bool_


def _lookup(value: object) -> DType | None:
    if isinstance(value, DType):
        return value
    if isinstance(value, str):
        return _BY_NAME.get(value.removeprefix("torch.").removeprefix("nl."))
    if isinstance(value, np.dtype):
        return BY_STORAGE.get(value)
    if isinstance(value, type):
        try:
            return BY_STORAGE.get(np.dtype(value))
        except TypeError:
            return None
    text = str(value)
    if text.startswith("torch."):
        return _BY_NAME.get(text.removeprefix("torch."))
    try:
        return BY_STORAGE.get(np.dtype(value))  # type: ignore[call-overload]
    except TypeError:
        return None


def dtype_of(value: object) -> DType:
    """The NKI data type that `value` names: a DType, a name, a NumPy, ml_dtypes or torch type.

    Raises TypeError when NKI has no such type (float64, int64, complex, ...).
    """
    found = _lookup(value)
    if found is None:
        raise TypeError(f"{value!r} is not an NKI data type; NKI has {', '.join(_BY_NAME)}")
    return found


def to_float32(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """`array` (in its storage type) as float32 values, as an engine reads it."""
    return array if array.dtype == np.float32 else array.astype(np.float32)


_LIMITS: dict[DType, tuple[float, float]] = {
    d: (float(np.iinfo(d.storage).min), float(np.iinfo(d.storage).max))
    for d in (int8, int16, int32, uint8, uint16, uint32)
}


def round_tfloat32(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 values rounded to the ten mantissa bits of tfloat32, ties to even; NaN and infinity stay."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x0FFF) + ((bits >> np.uint32(13)) & np.uint32(1))) & np.uint32(0xFFFFE000)
    special = (bits & np.uint32(0x7F800000)) == np.uint32(0x7F800000)
    out = np.where(
        special, bits & np.uint32(0xFFFFE000) | np.where(np.isnan(values), np.uint32(0x400000), np.uint32(0)), rounded
    )
    result: npt.NDArray[np.float32] = out.view(np.float32).reshape(np.shape(values))
    return result


def from_float32(values: npt.NDArray[np.float32], dtype: DType) -> npt.NDArray[Any]:
    """float32 `values` cast to `dtype`, in its storage type, as an engine writes them.

    Floats round to nearest even (overflow gives infinity, or NaN in float8_e4m3fn, which has none); integers round half
    to even and saturate, NaN becomes 0 (assumed: the documents do not say); bool is "not zero".
    """
    if dtype is float32:
        return values
    if dtype is tfloat32:
        return round_tfloat32(values)
    result: npt.NDArray[Any]
    if dtype.kind == "bool":
        result = (values != 0).astype(np.uint8)
        return result
    with np.errstate(over="ignore", invalid="ignore"):  # signalling NaNs are values like others
        if dtype.kind == "float":
            result = values.astype(dtype.storage)
        else:
            low, high = _LIMITS[dtype]
            exact = np.clip(np.rint(values.astype(np.float64)), low, high)
            result = np.nan_to_num(exact, nan=0.0).astype(dtype.storage)
    return result


def cast(array: npt.NDArray[Any], source: DType, target: DType) -> npt.NDArray[Any]:
    """`array` of type `source` as `target`: bit for bit when the types agree, through float32 otherwise."""
    if source is target:
        return array
    return from_float32(to_float32(array), target)
