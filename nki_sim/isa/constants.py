"""The enums of nisa and the names of the engines: names and values as in the public API (nki.isa)."""

from __future__ import annotations

from enum import Enum, IntEnum


class engine(Enum):  # noqa: N801 (public name)
    """An engine of the NeuronCore."""

    unknown = 0
    tensor = 1
    scalar = 2
    gpsimd = 3
    dma = 4
    vector = 5
    sync = 6


class reduce_cmd(Enum):  # noqa: N801 (public name)
    """What an instruction does to the accumulator registers of its engine."""

    idle = 0
    reset = 1
    reduce = 2
    reset_reduce = 3
    load_reduce = 4


class dge_mode(Enum):  # noqa: N801 (public name)
    """Who makes the descriptors of a DMA: the compiler's choice, GpSimd, the hardware, or the runtime beforehand."""

    unknown = 0
    swdge = 1
    hwdge = 2
    none = 3


class oob_mode(Enum):  # noqa: N801 (public name)
    """What a DMA does at a run-time address outside the tensor: stop with an error, or move nothing."""

    error = 0
    skip = 1


class matmul_perf_mode(Enum):  # noqa: N801 (public name)
    """Performance modes of nc_matmul."""

    none = "none"
    double_row = "double_row"


class nc_version(IntEnum):  # noqa: N801 (public name)
    """Generations of the NeuronCore: gen2 is trn1 and inf2, gen3 is trn2, gen4 is trn3.

    Kernels compare them with each other and with plain numbers, hence IntEnum.
    """

    gen2 = 2
    gen3 = 3
    gen4 = 4


class dma_engine(Enum):  # noqa: N801 (public name)
    """How two cores exchange data (for instructions that nki_sim does not have yet)."""

    dma = 1
    gpsimd_dma = 2


tensor_engine = engine.tensor
vector_engine = engine.vector
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
sync_engine = engine.sync
unknown_engine = engine.unknown
