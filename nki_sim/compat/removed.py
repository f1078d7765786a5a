"""Names of earlier NKI releases that neuronxcc.nki kernels import and nki_sim does not have: using one says so."""

from __future__ import annotations

from typing import Any, NoReturn

from nki_sim.language.failure import fail

_VIEWS = "index with slices, nl.ds or a view's ap method"

LANGUAGE: dict[str, str] = {
    "all_reduce": "reduce on the host, or within one program",
    "arange": _VIEWS,
    "atomic_rmw": "add in SBUF and copy back",
    "fp32": "write the limit as a number",
    "loop_reduce": "accumulate in the loop, with nisa.tensor_tensor or in PSUM with nisa.nc_matmul",
    "mgrid": _VIEWS,
    "nc": "launch the kernel without a grid",
    "par_dim": "the first dimension of a tile is its partition dimension: write the number alone",
    "spmd_dim": "launch the kernel without a grid",
    "static_cast": "array.astype on the host, nisa.tensor_copy in a kernel",
    "ts": "nl.ds",
}
"""nl names and what to write instead."""

ISA: dict[str, str] = {
    "tensor_copy_dynamic_dst": "nisa.tensor_copy to a view with a register as its index",
    "tensor_copy_dynamic_src": "nisa.tensor_copy of a view with a register as its index",
}
"""nisa names and what to write instead."""


class Removed:
    """Stands for one such name: importing it is free; calling, indexing or opening it raises NotImplementedYet."""

    def __init__(self, name: str, instead: str) -> None:
        self._name = name
        self._instead = instead

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    def __getitem__(self, _: Any) -> NoReturn:
        self._refuse()

    def __getattr__(self, attribute: str) -> NoReturn:
        # Tools look for dunder names and the like on everything they meet; that is not a use of it.
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        self._refuse()

    def __repr__(self) -> str:
        return f"<{self._name}, which nki_sim does not have>"

    def _refuse(self) -> NoReturn:
        fail(
            "owed",
            f"{self._name} belongs to an earlier NKI (neuronxcc), and nki_sim does not have it",
            facts=("nki_sim follows today's documents; of neuronxcc.nki it has what is still in them",),
            fix=self._instead,
            owner="simulator",
        )
