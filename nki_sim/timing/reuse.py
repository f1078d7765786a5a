"""Reuse: what becomes of the records of a place when another tensor takes it.

A tensor that is written whole waits for all that was done to its bytes, and the records of those before are over; one
that is entered in another way inherits them. This is in the part of Python that timing/native compiles.
"""

from __future__ import annotations

from nki_sim.timing.holders import claim
from nki_sim.timing.records import (
    Bucket,
    Patch,
    Pieces,
    Record,
    State,
    bucket_at,
    end_column,
    end_row,
    find,
    first_column,
    first_row,
    forget,
    overlap,
    put_other,
    put_reader,
    put_writer,
    reaches,
    spread,
    writer_of,
)
from nki_sim.timing.regions import DENSE, UNKNOWN
from nki_sim.timing.waits import Tracking, met, need_place, need_places


def replace(tracking: Tracking, state: State) -> None:
    """Wait for all that was done to the bytes of `state` by those who held them, before they are all written."""
    tracking.claims = tracking.claims + 1
    former = claim(tracking.memories[state.memory], state, tracking.claims)
    while former is not None:
        old = former.state
        old.ready = False
        seen = Patch(state.first - old.first, state.last - old.first, state.low - old.low, state.high - old.low, DENSE)
        if old.patch is not None:
            if overlap(old.patch, seen):
                need_places(tracking, old)
        elif old.pieces is not None:
            bucket = old.pieces.buckets
            while bucket is not None:
                if reaches(bucket, seen):
                    replace_records(tracking, bucket.readers, seen)
                    replace_records(tracking, bucket.others, seen)
                    replace_records(tracking, bucket.writers, seen)
                bucket = bucket.next
        if at_one_place(old, state):
            forget(old)
        former = former.next


def replace_records(tracking: Tracking, record: Record | None, seen: Patch) -> None:
    """Wait for the accesses that meet `seen`, which may lie outside of the tensor in part."""
    while record is not None:
        used = record.patch
        if overlap(used, seen) and (used.shape == DENSE or meet_moved(tracking, used, seen)):
            need_place(tracking, record.instance)
        record = record.next


def meet_moved(tracking: Tracking, used: Patch, seen: Patch) -> bool:
    """Whether a region with gaps meets a dense one that may begin outside of its tensor."""
    area = moved(seen, -seen.first, -seen.low)
    clipped = clip(moved(used, -seen.first, -seen.low), area)
    return clipped is not None and met(tracking, clipped, area)


def enter(tracking: Tracking, state: State, patch: Patch) -> None:
    """Make a tensor the holder of its addresses before it is accessed at `patch`."""
    if state.memory >= 0:
        tracking.claims = tracking.claims + 1
        former = claim(tracking.memories[state.memory], state, tracking.claims)
        while former is not None:
            inherit(state, former.state, patch)
            former = former.next
    state.ready = True


def inherit(new: State, old: State, patch: Patch) -> None:
    """Make what the former holder `old` recorded part of the history of `new`, to be accessed at `patch` next."""
    old.ready = False
    if old.patch is None and old.pieces is None:
        return
    if at_one_place(old, new) and new.patch is None and new.pieces is None:
        new.patch = old.patch
        new.writer = old.writer
        new.readers = old.readers
        new.others = old.others
        new.last_other = old.last_other
        new.pieces = old.pieces
        forget(old)
        return
    pieces = spread(new, patch)
    rows = old.first - new.first
    shift = old.low - new.low
    seen = moved(new.area, -rows, -shift)
    bucket = spread(old, patch).buckets
    while bucket is not None:
        if reaches(bucket, seen):
            inherit_bucket(new, pieces, bucket, rows, shift)
        bucket = bucket.next


def inherit_bucket(new: State, pieces: Pieces, bucket: Bucket, rows: int, shift: int) -> None:
    record = bucket.writers
    while record is not None:
        clipped = clip(moved(record.patch, rows, shift), new.area)
        if clipped is not None:
            inherit_writer(pieces, clipped, record.instance)
        record = record.next
    record = bucket.readers
    while record is not None:
        clipped = clip(moved(record.patch, rows, shift), new.area)
        if clipped is not None:
            inherit_reader(pieces, clipped, record)
        record = record.next
    record = bucket.others
    while record is not None:
        clipped = clip(moved(record.patch, rows, shift), new.area)
        if clipped is not None:
            inherit_reader(pieces, clipped, record)
        record = record.next


def inherit_writer(pieces: Pieces, patch: Patch, writer: int) -> None:
    for row in range(first_row(pieces, patch), end_row(pieces, patch)):
        for column in range(first_column(pieces, patch), end_column(pieces, patch)):
            bucket = bucket_at(pieces, row, column)
            known = writer_of(bucket, patch)
            if known is None:
                put_writer(bucket, patch, writer)
            elif known.instance != writer:
                # Only the latest wrote what a reader would see; the other has to be waited for before a write.
                older = min(known.instance, writer)
                known.instance = max(known.instance, writer)
                if find(bucket.others, patch, -1 - older) is None:
                    put_other(bucket, patch, -1 - older, older)


def inherit_reader(pieces: Pieces, patch: Patch, record: Record) -> None:
    for row in range(first_row(pieces, patch), end_row(pieces, patch)):
        for column in range(first_column(pieces, patch), end_column(pieces, patch)):
            bucket = bucket_at(pieces, row, column)
            known = find(bucket.readers if record.track >= 0 else bucket.others, patch, record.track)
            if known is not None:
                known.instance = max(known.instance, record.instance)
            elif record.track >= 0:
                put_reader(bucket, patch, record.track, record.instance)
            else:
                put_other(bucket, patch, record.track, record.instance)


def at_one_place(one: State, other: State) -> bool:
    return one.first == other.first and one.last == other.last and one.low == other.low and one.high == other.high


def moved(patch: Patch, rows: int, shift: int) -> Patch:
    """The same bytes seen from a tensor that starts `rows` and `shift` bytes earlier."""
    return Patch(patch.first + rows, patch.last + rows, patch.low + shift, patch.high + shift, patch.shape)


def clip(patch: Patch, area: Patch) -> Patch | None:
    """`patch` as seen from a tensor; one with gaps keeps its rectangle, so that its shape still fits."""
    if not overlap(patch, area):
        return None
    if patch.shape != DENSE and patch.first >= 0 and patch.low >= 0:
        return patch
    return Patch(
        max(patch.first, 0),
        min(patch.last, area.last),
        max(patch.low, 0),
        min(patch.high, area.high),
        DENSE if patch.shape == DENSE else UNKNOWN,
    )
