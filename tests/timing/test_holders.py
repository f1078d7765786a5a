"""Holders against a record of every byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nki_sim.timing.holders import Holder, claim
from nki_sim.timing.records import Patch, State

Extent = tuple[int, int, int, int]


@st.composite
def extents(draw: st.DrawFn) -> Extent:
    first = draw(st.sampled_from([0, 0, 0, 1, 2]))
    low = draw(st.integers(0, 20))
    return first, first + draw(st.sampled_from([1, 2, 4])), low, low + draw(st.integers(1, 12))


def state_at(extent: Extent) -> State:
    """A tensor in a memory with a stretch for every byte."""
    first, last, low, high = extent
    return State(Patch(0, last - first, 0, high - low, 0), first, last, low, high, low, high, 0, True)


def listed(holder: Holder | None) -> list[State]:
    found = []
    while holder is not None:
        found.append(holder.state)
        holder = holder.next
    return found


@given(st.lists(extents(), min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=25))
def test_the_former_holders_are_those_of_some_byte(places: list[Extent], order: list[int]) -> None:
    """Holders that lost a partition range only in part are asked again, so they may be named a second time."""
    tiles = [state_at(extent) for extent in places]
    held: list[Holder | None] = [None] * 40
    owner: dict[tuple[int, int], State] = {}
    for claims, number in enumerate(order, 1):
        tile = tiles[number % len(tiles)]
        cells = [(row, byte) for row in range(tile.first, tile.last) for byte in range(tile.low, tile.high)]
        named = [id(one) for one in listed(claim(held, tile, claims))]
        true = {id(owner[cell]) for cell in cells if cell in owner} - {id(tile)}
        assert len(named) == len(set(named))
        assert true <= set(named)
        whole = all((one.first, one.last) == (tile.first, tile.last) for one in tiles)
        assert not whole or true == set(named)
        owner.update(dict.fromkeys(cells, tile))
        assert all(tile in listed(held[byte]) for byte in range(tile.low, tile.high))
