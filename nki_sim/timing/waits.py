"""Waits: what the instance at hand has to wait for, found by tracks, and all that is known on the way.

This is in the part of Python that timing/native compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nki_sim.timing.holders import Holder
from nki_sim.timing.records import Patch, State

READ_AFTER_WRITE = 0
REUSE = 1
"""Write after read, or write after write: the consumer waits for a place, not for a value."""


@dataclass(slots=True, eq=False, repr=False)
class Wait:
    """2 * instance + (READ_AFTER_WRITE or REUSE)."""

    code: int
    next: Wait | None = None


@dataclass(slots=True, eq=False, repr=False)
class Tracking:
    """All that is known on the way through a program.

    states        of the tensors; memories: lists of holders, by memory; patches: the regions that are accessed
    meet          whether two patches, as five numbers each, share a byte
    in_order      lanes below complete in order, so that the latest instruction stands for all before it
    tracks        of each instance so far: its lane where that completes in order, else -1 - instance
    latest        what the instance at hand waits for by lane; -1: nothing
    seen          the last instance that was found to wait for each; of those without an order
    instance, own the instance at hand and its track
    counts        of waits by instance; waits: all of them, one after another
    """

    states: list[State]
    memories: list[list[Holder | None]]
    patches: list[Patch]
    meet: Callable[[int, int, int, int, int, int, int, int, int, int], bool]
    in_order: int
    tracks: list[int]
    latest: list[int]
    seen: list[int]
    counts: list[int]
    instance: int = 0
    own: int = 0
    claims: int = 0
    waits: Wait | None = None
    last_wait: Wait | None = None


def put_wait(tracking: Tracking, code: int) -> None:
    made = Wait(code)
    if tracking.last_wait is None:
        tracking.waits = made
    else:
        tracking.last_wait.next = made
    tracking.last_wait = made
    tracking.counts[tracking.instance] = tracking.counts[tracking.instance] + 1


def need(tracking: Tracking, producer: int) -> None:
    """Wait for the value of `producer`."""
    track = tracking.tracks[producer]
    if track < 0:
        put_unordered(tracking, producer, READ_AFTER_WRITE)
    elif 2 * producer > tracking.latest[track]:
        tracking.latest[track] = 2 * producer


def need_place(tracking: Tracking, earlier: int) -> None:
    """Wait for the place `earlier` used, unless its value is needed as well or the own engine sees to it."""
    track = tracking.tracks[earlier]
    if track != tracking.own:
        if track < 0:
            put_unordered(tracking, earlier, REUSE)
        elif 2 * earlier > tracking.latest[track]:
            tracking.latest[track] = 2 * earlier + REUSE


def put_unordered(tracking: Tracking, earlier: int, why: int) -> None:
    # Numbers of instances from 1, as a list begins with zeros.
    if tracking.seen[earlier] != tracking.instance + 1:
        tracking.seen[earlier] = tracking.instance + 1
        put_wait(tracking, 2 * earlier + why)


def need_places(tracking: Tracking, state: State) -> None:
    """Wait for all that was done to a tensor's one region."""
    reader = state.readers
    while reader is not None:
        need_place(tracking, reader.instance)
        reader = reader.next
    reader = state.others
    while reader is not None:
        need_place(tracking, reader.instance)
        reader = reader.next
    if state.writer >= 0:
        need_place(tracking, state.writer)


def met(tracking: Tracking, one: Patch, other: Patch) -> bool:
    return tracking.meet(
        one.first, one.last, one.low, one.high, one.shape, other.first, other.last, other.low, other.high, other.shape
    )
