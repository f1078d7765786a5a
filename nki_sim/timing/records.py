"""Records: who wrote and who read the bytes of one tensor, as far as later accesses have to know.

Nearly every tile is always accessed as the same dense rectangle; its record is one writer and the readers since. A
tensor accessed in several regions keeps them per region, in buckets of its own rectangle, so that a large tensor
written in tiles stays cheap. This is in the part of Python that timing/native compiles: linked lists.
"""

from __future__ import annotations

from dataclasses import dataclass

_MAX_BUCKETS = 64


@dataclass(slots=True, eq=False, repr=False)
class Patch:
    """A region of timing/regions.py."""

    first: int
    last: int
    low: int
    high: int
    shape: int


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """An access. Track: the lane of an engine, whose last read stands for those before; -1 - instance for others."""

    patch: Patch
    track: int
    instance: int
    next: Record | None = None


@dataclass(slots=True, eq=False, repr=False)
class Bucket:
    """Records of one part of a tensor, which reaches over rows and bytes.

    readers   by engines, at most one for a region and a track; others: by transfers, oldest first as are writers
    """

    row: int
    column: int
    first: int
    last: int
    low: int
    high: int
    writers: Record | None = None
    last_writer: Record | None = None
    readers: Record | None = None
    others: Record | None = None
    last_other: Record | None = None
    next: Bucket | None = None


@dataclass(slots=True, eq=False, repr=False)
class Pieces:
    """The records of a tensor that is accessed in several regions, in buckets of `rows` by `columns` bytes.

    single   there is one bucket at most
    found    the bucket that was asked for last; the next to be asked for often follows it
    """

    rows: int
    columns: int
    single: bool
    buckets: Bucket | None = None
    last_bucket: Bucket | None = None
    found: Bucket | None = None


@dataclass(slots=True, eq=False, repr=False)
class State:
    """What is remembered of one tensor: nothing, one region (`patch` is set) or several (`pieces` is set).

    area        all of it
    first, last, low, high    its place in the memory; begin, end: the same bytes as numbers of the memory's stretches
    memory      where it is placed, -1: nowhere
    tracked     whether anybody writes it
    ready       it holds its addresses: nothing to do before an access
    patch       the dense region of all accesses so far, with its `writer` (-1: none) and its readers since
    claimed     the claim that met it last
    """

    area: Patch
    first: int
    last: int
    low: int
    high: int
    begin: int
    end: int
    memory: int
    tracked: bool
    ready: bool = False
    patch: Patch | None = None
    writer: int = -1
    readers: Record | None = None
    others: Record | None = None
    last_other: Record | None = None
    pieces: Pieces | None = None
    claimed: int = 0


def same(one: Patch, other: Patch) -> bool:
    return one is other or (
        one.first == other.first
        and one.last == other.last
        and one.low == other.low
        and one.high == other.high
        and one.shape == other.shape
    )


def overlap(one: Patch, other: Patch) -> bool:
    """Whether the rectangles share a cell."""
    return one.first < other.last and other.first < one.last and one.low < other.high and other.low < one.high


def reaches(bucket: Bucket, patch: Patch) -> bool:
    """Whether the rectangle of `patch` shares a cell with the bucket."""
    return (
        bucket.first < patch.last and patch.first < bucket.last and bucket.low < patch.high and patch.low < bucket.high
    )


def forget(state: State) -> None:
    """Back to nothing."""
    state.patch = None
    state.writer = -1
    state.readers = None
    state.others = None
    state.last_other = None
    state.pieces = None


def bucket_at(pieces: Pieces, row: int, column: int) -> Bucket:
    """One bucket, made when missing."""
    start = pieces.found
    one = start.next if start is not None else None
    while one is not None:
        if one.row == row and one.column == column:
            pieces.found = one
            return one
        one = one.next
    one = pieces.buckets
    while one is not None:
        if one.row == row and one.column == column:
            pieces.found = one
            return one
        one = one.next
    rows = pieces.rows
    columns = pieces.columns
    made = Bucket(row, column, row * rows, (row + 1) * rows, column * columns, (column + 1) * columns)
    if pieces.last_bucket is None:
        pieces.buckets = made
    else:
        pieces.last_bucket.next = made
    pieces.last_bucket = made
    pieces.found = made
    return made


def pieces_of(area: Patch, patch: Patch) -> Pieces:
    """Choose the bucket size after the first access, to `patch`."""
    height = area.last
    width = area.high
    rows = max(1, patch.last - patch.first)
    columns = max(1, patch.high - patch.low)
    while -(-height // rows) * -(-width // columns) > _MAX_BUCKETS:
        if rows * width < columns * height:
            rows = rows * 2
        else:
            columns = columns * 2
    made = Pieces(rows, columns, rows >= height and columns >= width)
    if made.single:
        bucket = bucket_at(made, 0, 0)
        bucket.last = height
        bucket.high = width
    return made


def spread(state: State, patch: Patch) -> Pieces:
    """The records in pieces; those of one region are moved there. `patch` is what is about to be accessed."""
    pieces = state.pieces
    if pieces is not None:
        return pieces
    known = state.patch
    if known is None:
        made = pieces_of(state.area, patch)
        state.pieces = made
        return made
    made = pieces_of(state.area, known)
    for row in range(first_row(made, known), end_row(made, known)):
        for column in range(first_column(made, known), end_column(made, known)):
            bucket = bucket_at(made, row, column)
            if state.writer >= 0:
                put_writer(bucket, known, state.writer)
            reader = state.readers
            while reader is not None:
                put_reader(bucket, known, reader.track, reader.instance)
                reader = reader.next
            reader = state.others
            while reader is not None:
                put_other(bucket, known, reader.track, reader.instance)
                reader = reader.next
    forget(state)
    state.pieces = made
    return made


# The buckets that a region touches: rows and columns from the first to before the end.


def first_row(pieces: Pieces, patch: Patch) -> int:
    return 0 if pieces.single else patch.first // pieces.rows


def end_row(pieces: Pieces, patch: Patch) -> int:
    return 1 if pieces.single else (patch.last - 1) // pieces.rows + 1


def first_column(pieces: Pieces, patch: Patch) -> int:
    return 0 if pieces.single else patch.low // pieces.columns


def end_column(pieces: Pieces, patch: Patch) -> int:
    return 1 if pieces.single else (patch.high - 1) // pieces.columns + 1


def find(record: Record | None, patch: Patch, track: int) -> Record | None:
    """The record of a region and a track in the list that begins with `record`."""
    while record is not None:
        if record.track == track and same(record.patch, patch):
            return record
        record = record.next
    return None


def writer_of(bucket: Bucket, patch: Patch) -> Record | None:
    record = bucket.writers
    while record is not None:
        if same(record.patch, patch):
            return record
        record = record.next
    return None


def put_writer(bucket: Bucket, patch: Patch, instance: int) -> None:
    """Add a writer of a region that had none."""
    made = Record(patch, 0, instance)
    if bucket.last_writer is None:
        bucket.writers = made
    else:
        bucket.last_writer.next = made
    bucket.last_writer = made


def put_reader(bucket: Bucket, patch: Patch, track: int, instance: int) -> None:
    """Remember the last read of a region by an engine."""
    known = find(bucket.readers, patch, track)
    if known is None:
        bucket.readers = Record(patch, track, instance, bucket.readers)
    else:
        known.instance = instance


def put_other(bucket: Bucket, patch: Patch, track: int, instance: int) -> None:
    """Remember a read of a track of its own."""
    made = Record(patch, track, instance)
    if bucket.last_other is None:
        bucket.others = made
    else:
        bucket.last_other.next = made
    bucket.last_other = made
