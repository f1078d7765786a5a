"""Holders: whose bytes are at an address right now, when tensors placed on the same addresses follow each other.

A memory is a row of stretches, cut wherever a tensor begins or ends, each with those who hold it. Claiming a place
puts the claimer there and says who was; a former holder that also has partitions outside of the place stays beside the
new one. This is in the part of Python that timing/native compiles: linked lists.
"""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.timing.records import State


@dataclass(slots=True, eq=False, repr=False)
class Holder:
    """One of a list of tensors. Lists that stand in a memory are shared and never change."""

    state: State
    next: Holder | None = None


def claim(held: list[Holder | None], state: State, number: int) -> Holder | None:
    """Give its place to `state`; whoever held some byte of it before, by address, except `state` itself.

    held     by stretch of the memory
    number   of this claim, so that nobody is named twice
    """
    state.claimed = number
    alone = Holder(state)
    former: Holder | None = None
    last: Holder | None = None
    before: Holder | None = None
    after = alone
    for stretch in range(state.begin, state.end):
        holder = held[stretch]
        if holder is not before:
            before = holder
            after = alone
            while holder is not None:
                one = holder.state
                if one.claimed != number and one.first < state.last and state.first < one.last:
                    one.claimed = number
                    named = Holder(one)
                    if last is None:
                        former = named
                    else:
                        last.next = named
                    last = named
                holder = holder.next
            after = beside(before, state, alone)
        elif holder is None:
            after = alone
        held[stretch] = after
    return former


def beside(holders: Holder | None, state: State, alone: Holder) -> Holder:
    """Those of `holders` that keep partitions outside of its place, then `state`."""
    first: Holder | None = None
    last: Holder | None = None
    while holders is not None:
        one = holders.state
        if one is not state and (one.first < state.first or state.last < one.last):
            kept = Holder(one)
            if last is None:
                first = kept
            else:
                last.next = kept
            last = kept
        holders = holders.next
    if last is None or first is None:
        return alone
    last.next = alone
    return first
