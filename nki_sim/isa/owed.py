"""Functions of nisa that the documents describe and nki_sim does not have yet; each says so when called.

Written by hand. The generator puts a stand-in into nki_sim.isa for every name here that no `.isa` block has; take the
name out when its block arrives. Source of the list: the pages of nki.isa.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OWED: dict[str, str] = {
    "activate2": "two arithmetic steps, an activation and a reduction in one pass",
    "core_barrier": "a barrier between the two cores of a logical core",
    "dma_compute": "a transfer that sums its sources, or adds to its destination",
    "dma_transpose": "a transpose during a transfer",
    "dropout": "zeros at random places",
    "exponential": "exp(src - max) on the vector engine, with its sum",
    "get_nc_sub_version": "the silicon revision within a generation",
    "local_gather": "a gather within groups of 16 partitions",
    "max8": "the eight largest of each partition",
    "nc_find_index8": "where eight given values first stand",
    "nc_match_replace8": "the first matches of eight values replaced",
    "nc_matmul_mx": "a matrix product of block-scaled MX operands",
    "nc_n_gather": "a gather within each partition",
    "nonzero_with_count": "where values are not zero, and how many",
    "quantize_mx": "block-scaled MX data and its scales",
    "rand2": "uniform random floats",
    "rand_get_state": "the generator's state, stored",
    "rand_set_state": "the generator's state, loaded",
    "range_select": "elements between two bounds of their partition",
    "rng": "raw random bits",
    "select_reduce": "a predicated choice, with a running maximum",
    "sendrecv": "an exchange of tiles with the peer core",
    "sequence_bounds": "where each element's segment begins and ends",
    "set_rng_seed": "the seed of the random generator",
    "tensor_scalar_cumulative": "a scan along the free dimension",
    "tensor_scalar_reduce": "tensor_scalar with a reduction",
    "topk": "the largest values and where they stand",
}
"""By name: what it would give, in a few words."""


def stand_in(name: str) -> Callable[..., Any]:
    """A function called `name` that raises NotImplementedYet at the line of the kernel that calls it."""

    def function(*_: Any, **__: Any) -> Any:
        from nki_sim.language.failure import fail

        fail(
            "owed",
            f"nisa.{name} ({OWED[name]}) is documented, but nki_sim does not have it yet",
            owner="simulator",
        )

    function.__name__ = function.__qualname__ = name
    function.__module__ = "nki_sim.isa"
    function.__doc__ = f"Documented, not simulated yet ({OWED[name]}): raises NotImplementedYet."
    return function
