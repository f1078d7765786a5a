"""Holders against a record of every byte."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nki_sim.timing.holders import Extent, Holders


@dataclass(eq=False)
class Place:
    extent: Extent


@st.composite
def extents(draw: st.DrawFn) -> Extent:
    first = draw(st.sampled_from([0, 0, 0, 1, 2]))
    low = draw(st.integers(0, 20))
    return first, first + draw(st.sampled_from([1, 2, 4])), low, low + draw(st.integers(1, 12))


@given(st.lists(extents(), min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=25))
def test_the_former_holders_are_those_of_some_byte(places: list[Extent], order: list[int]) -> None:
    """Holders that lost a partition range only in part are asked again, so they may be named a second time."""
    tiles = [Place(extent) for extent in places]
    holders: Holders[Place] = Holders()
    owner: dict[tuple[int, int], Place] = {}
    for number in order:
        tile = tiles[number % len(tiles)]
        first, last, low, high = tile.extent
        cells = [(row, byte) for row in range(first, last) for byte in range(low, high)]
        former = holders.claim(tile)
        true = {id(owner[cell]) for cell in cells if cell in owner} - {id(tile)}
        named = [id(one) for one in former]
        assert len(named) == len(set(named))
        assert true <= set(named)
        whole = all(one.extent[:2] == tile.extent[:2] for one in tiles)
        assert not whole or true == set(named)
        owner.update(dict.fromkeys(cells, tile))
