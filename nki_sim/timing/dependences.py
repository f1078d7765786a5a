"""Dependences: which earlier instructions an access has to wait for, from the bytes both touch.

Instructions are followed in program order; each reads before it writes. What is remembered of a tensor is in
timing/records.py, what is found in timing/waits.py; tensors placed on the same addresses take each other's place
(timing/reuse.py). This is in the part of Python that timing/native compiles.
"""

from __future__ import annotations

from collections.abc import Callable

from nki_sim.timing.holders import Holder
from nki_sim.timing.records import (
    Bucket,
    Patch,
    Record,
    State,
    bucket_at,
    end_column,
    end_row,
    first_column,
    first_row,
    put_other,
    put_reader,
    put_writer,
    same,
    spread,
)
from nki_sim.timing.regions import DENSE
from nki_sim.timing.reuse import enter, replace
from nki_sim.timing.waits import Tracking, met, need, need_place, need_places, put_wait


def begin(
    states: list[State],
    memories: list[list[Holder | None]],
    patches: list[Patch],
    meet: Callable[[int, int, int, int, int, int, int, int, int, int], bool],
    in_order: int,
    tracks: list[int],
    latest: list[int],
    seen: list[int],
    counts: list[int],
) -> Tracking:
    """Before the first instruction; the lists are as long as what they are about, and empty."""
    return Tracking(states, memories, patches, meet, in_order, tracks, latest, seen, counts)


def describe(tracking: Tracking, tensors: list[int], count: int, regions: list[int], patches: int) -> None:
    """Take in the tensors, ten numbers each, and the regions, five each."""
    for number in range(count):
        at = 10 * number
        area = Patch(0, tensors[at], 0, tensors[at + 1], DENSE)
        tracking.states[number] = State(
            area,
            tensors[at + 2],
            tensors[at + 3],
            tensors[at + 4],
            tensors[at + 5],
            tensors[at + 6],
            tensors[at + 7],
            tensors[at + 8],
            tensors[at + 9] != 0,
        )
    for number in range(patches):
        at = 5 * number
        tracking.patches[number] = Patch(
            regions[at], regions[at + 1], regions[at + 2], regions[at + 3], regions[at + 4]
        )


def follow(tracking: Tracking, tape: list[int], count: int) -> int:
    """Find what each of `count` instances waits for; how many waits there are in all.

    On the tape stand, for each: its lane; how many instances it needs besides, how many reads and writes; these
    instances; then each access as the numbers of the tensor and of the region.
    """
    total = 0
    at = 0
    for instance in range(count):
        lane = tape[at]
        needed = at + 4 + tape[at + 1]
        reads = needed + 2 * tape[at + 2]
        writes = reads + 2 * tape[at + 3]
        tracking.instance = instance
        tracking.own = lane if lane < tracking.in_order else -1 - instance
        tracking.tracks[instance] = tracking.own
        at = at + 4
        while at < needed:
            need(tracking, tape[at])
            at = at + 1
        while at < reads:
            state = tracking.states[tape[at]]
            if state.tracked:
                read(tracking, state, tracking.patches[tape[at + 1]])
            at = at + 2
        while at < writes:
            write(tracking, tracking.states[tape[at]], tracking.patches[tape[at + 1]])
            at = at + 2
        for engine in range(tracking.in_order):
            if tracking.latest[engine] >= 0:
                put_wait(tracking, tracking.latest[engine])
                tracking.latest[engine] = -1
        total = total + tracking.counts[instance]
    return total


def unload(tracking: Tracking, codes: list[int]) -> None:
    """Write all waits down."""
    at = 0
    wait = tracking.waits
    while wait is not None:
        codes[at] = wait.code
        at = at + 1
        wait = wait.next


def read(tracking: Tracking, state: State, patch: Patch) -> None:
    """Account for a read of `patch` by the instance at hand."""
    if not state.ready:
        enter(tracking, state, patch)
    known = state.patch
    if known is None and state.pieces is None and patch.shape == DENSE:
        state.patch = patch
        note_reader(tracking, state, patch)
    elif known is not None and same(known, patch):
        if state.writer >= 0:
            need(tracking, state.writer)
        note_reader(tracking, state, known)
    else:
        pieces = spread(state, patch)
        for row in range(first_row(pieces, patch), end_row(pieces, patch)):
            for column in range(first_column(pieces, patch), end_column(pieces, patch)):
                bucket = bucket_at(pieces, row, column)
                writer = bucket.writers
                while writer is not None:
                    if touch(tracking, writer.patch, patch):
                        need(tracking, writer.instance)
                    writer = writer.next
                if tracking.own >= 0:
                    put_reader(bucket, patch, tracking.own, tracking.instance)
                else:
                    put_other(bucket, patch, tracking.own, tracking.instance)


def note_reader(tracking: Tracking, state: State, patch: Patch) -> None:
    """Remember the instance at hand as a reader of a tensor's one region."""
    own = tracking.own
    if own >= 0:
        known = state.readers
        while known is not None:
            if known.track == own:
                known.instance = tracking.instance
                return
            known = known.next
        state.readers = Record(patch, own, tracking.instance, state.readers)
    else:
        made = Record(patch, own, tracking.instance)
        if state.last_other is None:
            state.others = made
        else:
            state.last_other.next = made
        state.last_other = made


def write(tracking: Tracking, state: State, patch: Patch) -> None:
    """Account for a write to `patch` by the instance at hand."""
    if not state.ready:
        if state.patch is None and state.pieces is None and same(state.area, patch):
            # The usual way for a tile to come to life: written whole.
            if state.memory >= 0:
                replace(tracking, state)
            state.patch = patch
            state.writer = tracking.instance
            state.ready = True
            return
        enter(tracking, state, patch)
    known = state.patch
    if known is None and state.pieces is None and patch.shape == DENSE:
        state.patch = patch
        state.writer = tracking.instance
    elif known is not None and same(known, patch):
        need_places(tracking, state)
        state.readers = None
        state.others = None
        state.last_other = None
        state.writer = tracking.instance
    else:
        pieces = spread(state, patch)
        for row in range(first_row(pieces, patch), end_row(pieces, patch)):
            for column in range(first_column(pieces, patch), end_column(pieces, patch)):
                write_bucket(tracking, bucket_at(pieces, row, column), patch)


def write_bucket(tracking: Tracking, bucket: Bucket, patch: Patch) -> None:
    """Account for a write to the part of `patch` in `bucket`; what it covers is forgotten."""
    bucket.readers = overwritten(tracking, bucket, bucket.readers, patch)
    bucket.others = overwritten(tracking, bucket, bucket.others, patch)
    bucket.last_other = last_of(bucket.others)
    before: Record | None = None
    writer = bucket.writers
    known: Record | None = None
    while writer is not None:
        gone = False
        if same(writer.patch, patch):
            known = writer
            need_place(tracking, writer.instance)
        elif touch(tracking, writer.patch, patch):
            need_place(tracking, writer.instance)
            gone = covers(patch, writer.patch, bucket)
        if not gone:
            before = writer
        elif before is None:
            bucket.writers = writer.next
        else:
            before.next = writer.next
        writer = writer.next
    bucket.last_writer = before
    if known is None:
        put_writer(bucket, patch, tracking.instance)
    else:
        known.instance = tracking.instance


def overwritten(tracking: Tracking, bucket: Bucket, readers: Record | None, patch: Patch) -> Record | None:
    """Wait for the readers that a write to `patch` meets; those that it does not cover."""
    kept = readers
    before: Record | None = None
    while readers is not None:
        gone = False
        if touch(tracking, readers.patch, patch):
            need_place(tracking, readers.instance)
            gone = covers(patch, readers.patch, bucket)
        if not gone:
            before = readers
        elif before is None:
            kept = readers.next
        else:
            before.next = readers.next
        readers = readers.next
    return kept


def last_of(record: Record | None) -> Record | None:
    last = record
    while record is not None:
        last = record
        record = record.next
    return last


def touch(tracking: Tracking, one: Patch, other: Patch) -> bool:
    """Whether two regions share a byte."""
    if one is other:
        return True
    if one.first >= other.last or other.first >= one.last or one.low >= other.high or other.low >= one.high:
        return False
    return (one.shape == DENSE and other.shape == DENSE) or same(one, other) or met(tracking, one, other)


def covers(new: Patch, old: Patch, bucket: Bucket) -> bool:
    """Whether `new` writes every byte of `old` inside `bucket`."""
    return (
        new.shape == DENSE
        and new.first <= max(old.first, bucket.first)
        and min(old.last, bucket.last) <= new.last
        and new.low <= max(old.low, bucket.low)
        and min(old.high, bucket.high) <= new.high
    )
