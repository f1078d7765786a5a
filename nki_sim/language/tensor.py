"""nl.ndarray: a tensor of the kernel and every view of it.

A tensor is storage (a TensorDecl) seen through one AccessPattern. Views share storage and cost nothing. The class is
the allocator, the annotation and the isinstance target at once, as kernels use it.

Rules of views (nki-language-guide.rst, nki-aps.rst): on chip the partition dimension stays dimension 0, an integer
index keeps it at size 1, and a view has at least two dimensions; in HBM an integer index drops its dimension, at least
one stays. Out-of-range slices are errors: the documents do not promise clipping.

Non-goals: a tensor has no values while the kernel is specialised, so no arithmetic, no truth value, no iteration.
"""

from __future__ import annotations

import operator
from typing import Any, NoReturn

from nki_sim.frontend.recorder import current
from nki_sim.language import indexing, views
from nki_sim.language.buffers import ON_CHIP, MemoryRegion, region_of
from nki_sim.language.failure import fail, named_dtype
from nki_sim.language.objects import NKIObject
from nki_sim.program.access import AccessPattern, Dim, DynamicOffset, VectorOffset
from nki_sim.program.dtypes import DType


class Shape(tuple[int, ...]):
    """A shape: a tuple that also equals a list of the same sizes, as the documents compare them."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return tuple.__eq__(self, tuple(other) if isinstance(other, list) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


class ndarray(NKIObject):  # noqa: N801 - the name is NKI's
    """A tensor or a view of one.

    shape    sizes; on chip the first is the number of partitions (at most 128)
    dtype    element type
    buffer   nl.sbuf, nl.psum, nl.hbm, nl.private_hbm or nl.shared_hbm
    name     label for diagnostics and profiles
    address  (start partition, byte offset in the partition) to place it by hand; on chip only

    Contents are undefined until written. Raises LanguageError for a shape, dtype or buffer that is none.
    Source: nki.language.ndarray, nki-language-guide.rst (Creating Tensors).
    """

    __slots__ = ("access_pattern",)

    access_pattern: AccessPattern

    def __init__(
        self,
        shape: Any,
        dtype: Any,
        buffer: Any = MemoryRegion.sbuf,
        name: str = "",
        address: tuple[int, int] | None = None,
    ) -> None:
        recorder = current()
        try:
            sizes = tuple([operator.index(s) for s in shape])
        except TypeError:
            fail(
                "language-shape",
                f"ndarray: shape is {shape!r}; it must be a tuple of integers",
                fix=f"write ({shape}, 1)" if isinstance(shape, int) else "divide with //, which gives integers",
            )
        if not sizes or min(sizes) <= 0:
            fail("shape", f"ndarray: shape is {list(sizes)}; every size must be at least 1")
        element = dtype if type(dtype) is DType else named_dtype("ndarray: dtype", dtype)
        try:
            region = buffer if type(buffer) is MemoryRegion else region_of(buffer)
        except ValueError:
            fail("placement", f"ndarray: buffer is {buffer!r}; NKI has nl.sbuf, nl.psum, nl.hbm and nl.shared_hbm")
        if region in ON_CHIP:
            views.check_on_chip_shape(sizes, element, region.space, recorder)
        tensor = recorder.allocate(
            sizes, element, region._value_, name=name, address=None if address is None else (address[0], address[1])
        )
        self.access_pattern = tensor.whole()

    @classmethod
    def view_of(cls, pattern: AccessPattern) -> ndarray:
        """The tensor object that shows `pattern`."""
        self = cls.__new__(cls)
        self.access_pattern = pattern
        return self

    # -- attributes --------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all dimensions; on chip the first is the number of partitions."""
        pattern = self.access_pattern
        counts = [count for _, count in pattern.dims]
        return Shape(counts if pattern.partition is None else (pattern.partition[2], *counts))

    @property
    def dtype(self) -> DType:
        return self.access_pattern.dtype

    @property
    def buffer(self) -> MemoryRegion:
        return MemoryRegion(self.access_pattern.tensor.buffer)

    @property
    def name(self) -> str:
        return self.access_pattern.tensor.name

    @property
    def ndim(self) -> int:
        pattern = self.access_pattern
        return len(pattern.dims) + (pattern.partition is not None)

    @property
    def size(self) -> int:
        return self.access_pattern.elements

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Element strides; on chip the partition's is the storage's elements per partition."""
        return tuple(stride for stride, _ in views.full_dims(self.access_pattern))

    @property
    def offset(self) -> int:
        """First element, counted over the storage as if partitions followed each other."""
        pattern = self.access_pattern
        if pattern.partition is None:
            return pattern.offset
        return pattern.partition[0] * views.row_elements(pattern) + pattern.offset

    def is_contiguous(self) -> bool:
        """Whether the free dimensions (all, in HBM) are dense and row-major."""
        return views.is_contiguous(self.access_pattern)

    def is_indirect(self) -> bool:
        """Whether the view has an address that is known only while running."""
        return self.access_pattern.is_dynamic

    def get_pattern(self) -> list[list[int]]:
        """``[[stride, count], ...]`` in the order of the shape, as `ap` takes it."""
        return [[stride, count] for stride, count in views.full_dims(self.access_pattern)]

    # -- indexing ----------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> ndarray:
        view = ndarray.__new__(ndarray)
        view.access_pattern = indexing.index(self.access_pattern, key)
        return view

    def __setitem__(self, key: Any, value: Any) -> None:
        fail(
            "language-assignment",
            "a tensor cannot be assigned to by subscript",
            fix="write nl.store(dst[...], value) for HBM or nisa.tensor_copy(dst=dst[...], src=value) on chip",
        )

    def slice(self, dim: int, start: int, end: int, step: int = 1) -> ndarray:
        """Elements start (inclusive) to end (exclusive) of one dimension."""
        dim = views.dimension(self.access_pattern, dim)
        return self[(slice(None),) * dim + (slice(start, end, step),)]

    def select(self, dim: int, index: Any) -> ndarray:
        """One element of a dimension, which goes; `index` is an integer, a register or a 1x1 SBUF tensor."""
        dim = views.dimension(self.access_pattern, dim)
        return self[(slice(None),) * dim + (index,)]

    def vector_select(self, dim: int, vector_offset: ndarray) -> ndarray:
        """A row of dimension 0 per partition, chosen by ``vector_offset`` of shape (P, 1); HBM only."""
        pattern = self.access_pattern
        if dim != 0 or pattern.partition is not None:
            fail(
                "language-view",
                f"vector_select works on dimension 0 of an HBM tensor, not on dimension {dim} in {pattern.space}",
                facts=("rows are picked by their address in HBM (nki-aps.rst)",),
                fix="call it on the HBM tensor and bring the rows to sbuf with dma_copy",
            )
        if pattern.is_dynamic:
            fail("language-view", "vector_select: the view already has a run-time address")
        index = vector_offset.access_pattern
        if len(vector_offset.shape) != 2 or vector_offset.shape[1] != 1:
            fail(
                "shape",
                f"vector_select: vector_offset is {list(vector_offset.shape)}; it must be [P, 1]",
                fix="take one column of it, as vector_offset[:, 0:1]",
            )
        stride, rows = pattern.dims[0]
        dims: tuple[Dim, ...] = ((0, vector_offset.shape[0]), *pattern.dims[1:])
        return ndarray.view_of(pattern.replace(dims=dims, vector=VectorOffset(index, stride, rows)))

    # -- reshaping and reordering ------------------------------------------------------------------------------------

    def permute(self, dims: tuple[int, ...]) -> ndarray:
        """Dimensions in another order; on chip dims[0] must be 0."""
        return ndarray.view_of(views.permute(self.access_pattern, tuple(dims)))

    def broadcast(self, dim: int, size: int) -> ndarray:
        """A dimension of size 1 repeated `size` times; not the partition dimension."""
        return ndarray.view_of(views.broadcast(self.access_pattern, dim, size))

    def expand_dim(self, dim: int) -> ndarray:
        """A new dimension of size 1 at `dim`; on chip not at 0."""
        return ndarray.view_of(views.expand_dim(self.access_pattern, dim))

    def squeeze_dim(self, dim: int) -> ndarray:
        """A dimension of size 1 removed; on chip not dimension 0."""
        return ndarray.view_of(views.squeeze_dim(self.access_pattern, dim))

    def reshape_dim(self, dim: int, shape: tuple[int, ...]) -> ndarray:
        """One dimension split into several whose product it is; one may be -1."""
        return ndarray.view_of(views.reshape_dim(self.access_pattern, dim, tuple(shape)))

    def flatten_dims(self, start_dim: int, end_dim: int) -> ndarray:
        """Dimensions start_dim to end_dim (inclusive) merged into one; they must be dense."""
        return ndarray.view_of(views.flatten_dims(self.access_pattern, start_dim, end_dim))

    def reshape(self, shape: Any) -> ndarray:
        """Another shape of the same elements; on chip shape[0] stays, and the layout must allow it."""
        return ndarray.view_of(views.reshape(self.access_pattern, tuple(shape)))

    def rearrange(
        self,
        src_pattern: tuple[Any, ...],
        dst_pattern: tuple[Any, ...],
        fixed_sizes: dict[str, int] | None = None,
    ) -> ndarray:
        """Split, reorder and merge dimensions by name, as in einops."""
        return ndarray.view_of(views.rearrange(self.access_pattern, src_pattern, dst_pattern, fixed_sizes or {}))

    def view(self, dtype: Any) -> ndarray:
        """The same bytes as another dtype; the last dimension scales and must be dense."""
        return ndarray.view_of(views.reinterpret(self.access_pattern, named_dtype("view: dtype", dtype)))

    reinterpret_cast = view

    def ap(
        self,
        pattern: Any,
        offset: int | None = None,
        scalar_offset: Any = None,
        vector_offset: ndarray | None = None,
        indirect_dim: int = 0,
        dtype: Any = None,
    ) -> ndarray:
        """A raw access pattern on the storage: ``[[step, count], ...]``, outermost first, in elements of `dtype`.

        On chip the first pair is the partition pair; its step is the storage's elements per partition. The shape and
        strides of the view it is called on do not matter; its offset is the default of `offset` and is added to an
        explicit one (nki.language.NkiTensor.ap). `scalar_offset` (register or 1x1 tensor) times the size of the
        receiver's dimensions after `indirect_dim` moves the start while running; `vector_offset` (P, 1) gives each
        partition its row. Source: nki-aps.rst.
        """
        element = self.dtype if dtype is None else named_dtype("ap: dtype", dtype)
        found = views.raw(self.access_pattern, pattern, offset or 0, element)
        if scalar_offset is None and vector_offset is None:
            return ndarray.view_of(found)
        if scalar_offset is not None and vector_offset is not None:
            fail(
                "language-view",
                "ap: scalar_offset and vector_offset exclude each other",
                fix="add the scalar to the vector, or give one of them",
            )
        if self.access_pattern.is_dynamic:
            fail("language-view", "ap: the tensor already has a run-time address")
        dim = views.dimension(self.access_pattern, indirect_dim)
        multiplier = 1
        for size in self.shape[dim + 1 :]:
            multiplier *= size
        multiplier = multiplier * self.dtype.itemsize // element.itemsize
        limit = views.dynamic_limit(found, multiplier)
        if vector_offset is not None:
            if found.partition is not None or dim != 0:
                fail(
                    "language-view",
                    f"ap: vector_offset works on dimension 0 of an HBM tensor, not on dimension {dim} in {found.space}",
                    facts=("rows are picked by their address in HBM (nki-aps.rst)",),
                    fix="leave out indirect_dim" if found.partition is None else "gather while copying from HBM",
                )
            dims = ((0, found.dims[0][1]), *found.dims[1:])
            vector = VectorOffset(vector_offset.access_pattern, multiplier, self.shape[0])
            return ndarray.view_of(found.replace(dims=dims, vector=vector))
        if found.partition is not None and dim == 0:
            fail(
                "language-view",
                "ap: scalar_offset cannot move the partition dimension of an on-chip tensor",
                fix="give the free dimension it moves as indirect_dim, or pick the rows while copying from HBM",
            )
        offset_source = indexing.source_of(scalar_offset)
        return ndarray.view_of(found.replace(dynamic=DynamicOffset(offset_source, multiplier, limit)))

    def indirect(self, index: ndarray, num_elem: int | None = None) -> NoReturn:
        """Gather or scatter inside an operand (NeuronCore-v4); not there yet."""
        fail(
            "owed",
            "ndarray.indirect is documented, but nki_sim does not have indirection inside operands yet",
            fix="gather with dma_copy and a vector_offset",
            owner="simulator",
        )

    # -- what a tensor is not ----------------------------------------------------------------------------------------

    def __bool__(self) -> NoReturn:
        fail(
            "language-branch",
            "a tensor has no truth value while the kernel is built",
            fix="compute both sides and choose with nl.where or nisa.tensor_copy_predicated",
        )

    def __iter__(self) -> NoReturn:
        fail(
            "language-iteration",
            f"a tensor of shape {list(self.shape)} cannot be iterated over",
            fix=f"loop over range({self.shape[0]}) and index with the counter",
        )

    def __len__(self) -> int:
        return self.shape[0]

    def _no_operators(self, *_: object) -> NoReturn:
        fail(
            "language-operator",
            "Python operators do not work on tensors",
            facts=("an operator would have to choose the engine and the memory of its result",),
            fix="use nl.add, nl.multiply, ... (new tile) or nisa.tensor_tensor, nisa.tensor_scalar (given dst)",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _no_operators
    __matmul__ = __rmatmul__ = __neg__ = __pow__ = __and__ = __or__ = __xor__ = _no_operators
    __lt__ = __le__ = __gt__ = __ge__ = _no_operators

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        return f"<tensor{label} {list(self.shape)} {self.dtype} in {self.buffer.value}>"


NkiTensor = ndarray
