"""Dependences: which earlier instructions an access has to wait for, from the bytes both touch.

Nearly every tile is always accessed as the same dense rectangle; its record is one writer and the readers since (Tile).
A tensor accessed in several pieces keeps writers and readers per piece, in buckets of its own rectangle, so that a
large tensor written in tiles stays cheap. Tensors placed on the same addresses hand their records over when one takes
another's place (timing/holders.py finds whom a place belonged to).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nki_sim.program.ir import TensorDecl
from nki_sim.timing.holders import Extent, Holders
from nki_sim.timing.regions import DENSE, UNKNOWN, Region, Shapes, moved, rows_overlap, whole

READ_AFTER_WRITE = 0
REUSE = 1
"""Write after read, or write after write: the consumer waits for a place, not for a value."""

_MAX_BUCKETS = 64


class _Bucket:
    """Records of one part of a tensor; `bounds` is that part: (first row, end row, first byte, end byte)."""

    __slots__ = ("bounds", "readers", "writers")

    def __init__(self, bounds: tuple[int, int, int, int]) -> None:
        self.bounds = bounds
        self.writers: dict[Region, int] = {}
        # Keyed by lane too: an in-order engine's last read stands for its earlier ones of the same bytes.
        self.readers: dict[tuple[Region, int], int] = {}


class _Pieces:
    """The records of a tensor that is accessed in several regions, in buckets of `rows` by `columns` bytes."""

    __slots__ = ("buckets", "columns", "rows", "single")

    def __init__(self, area: Region, region: Region) -> None:
        """Choose the bucket size after the first access, to `region`."""
        height, width = area[1], area[3]
        rows = max(1, region[1] - region[0])
        columns = max(1, region[3] - region[2])
        while -(-height // rows) * -(-width // columns) > _MAX_BUCKETS:
            if rows * width < columns * height:
                rows *= 2
            else:
                columns *= 2
        self.rows, self.columns = rows, columns
        self.buckets: dict[tuple[int, int], _Bucket] = {}
        self.single: _Bucket | None = None
        if rows >= height and columns >= width:
            self.single = self.buckets[(0, 0)] = _Bucket(area[:4])

    def bucket(self, row: int, column: int) -> _Bucket:
        """One bucket, made when missing."""
        found = self.buckets.get((row, column))
        if found is None:
            bounds = (row * self.rows, (row + 1) * self.rows, column * self.columns, (column + 1) * self.columns)
            found = self.buckets[(row, column)] = _Bucket(bounds)
        return found

    def near(self, region: Region) -> Sequence[_Bucket]:
        """The buckets `region` touches."""
        if self.single is not None:
            return (self.single,)
        row, column = region[0] // self.rows, region[2] // self.columns
        last_row, last_column = (region[1] - 1) // self.rows, (region[3] - 1) // self.columns
        if row == last_row and column == last_column:
            return (self.bucket(row, column),)
        return [self.bucket(r, c) for r in range(row, last_row + 1) for c in range(column, last_column + 1)]

    def meeting(self, region: Region) -> Sequence[_Bucket]:
        """The buckets there are that `region`, which may lie outside of the tensor in part, touches."""
        if self.single is not None:
            return (self.single,)
        return [bucket for bucket in self.buckets.values() if rows_overlap(bucket.bounds, region)]


class _State:
    """What is remembered of one tensor: nothing, one region (`region` is set) or several (`pieces` is set).

    ready    holds its addresses: nothing to do before an access
    region   the dense region of all accesses so far, with its `writer` (-1: none) and its `readers` since by lane
    placed   whether it has a place, which is `extent` in the memory
    """

    __slots__ = ("area", "extent", "pieces", "placed", "readers", "ready", "region", "space", "writer")

    def __init__(self, tensor: TensorDecl, place: tuple[int, int] | None) -> None:
        area = self.area = whole(tensor)
        self.space = tensor.space
        self.ready = False
        self.region: Region | None = None
        self.writer = -1
        self.readers: dict[int, int] = {}
        self.pieces: _Pieces | None = None
        self.placed = place is not None
        partition, offset = place or (0, 0)
        self.extent: Extent = (partition, partition + area[1], offset, offset + area[3])

    def spread(self, region: Region) -> _Pieces:
        """The records in pieces; those of one region are moved there. `region` is what is about to be accessed."""
        pieces = self.pieces
        if pieces is None:
            known = self.region
            pieces = self.pieces = _Pieces(self.area, known or region)
            if known is not None:
                for bucket in pieces.near(known):
                    if self.writer >= 0:
                        bucket.writers[known] = self.writer
                    for lane, reader in self.readers.items():
                        bucket.readers[(known, lane)] = reader
                self.region, self.writer, self.readers = None, -1, {}
        return pieces

    def forget(self) -> None:
        """Back to nothing."""
        self.region, self.writer, self.readers, self.pieces = None, -1, {}, None


class DependenceTracker:
    """Fed with the accesses of instructions in program order, the reads of an instruction before its writes.

    in_order   lanes below this number complete in order, so that the latest instruction stands for all before it
    """

    def __init__(
        self,
        tensors: Sequence[TensorDecl],
        placement: Mapping[int, tuple[int, int]] | None,
        shapes: Shapes,
        in_order: int,
    ) -> None:
        self._places = placement or {}
        self._states: list[_State | None] = [None] * len(tensors)
        self._tensors = tensors
        self._shapes = shapes
        self._in_order = in_order
        self._holders: dict[str, Holders[_State]] = {}

    def read(self, tensor: int, region: Region, instance: int, lane: int, found: dict[int, int]) -> None:
        """Record a read and add what it depends on to `found`: instance -> READ_AFTER_WRITE."""
        state = self._states[tensor]
        if state is None or not state.ready:
            state = self._enter(tensor, region)
        key = lane if lane < self._in_order else -1 - instance
        if state.region == region:
            writer = state.writer
            if writer >= 0 and writer != instance:
                found[writer] = READ_AFTER_WRITE
            state.readers[key] = instance
        elif state.region is None and state.pieces is None and region[4] == DENSE:
            state.region = region
            state.readers[key] = instance
        else:
            for bucket in state.spread(region).near(region):
                self._read(bucket, region, instance, key, found)

    def write(self, tensor: int, region: Region, instance: int, lane: int, found: dict[int, int]) -> None:
        """Record a write and add what it depends on to `found`: instance -> REUSE, unless it is there already."""
        state = self._states[tensor]
        if state is None or not state.ready:
            if self._overwrite(tensor, region, instance, found):
                return
            state = self._enter(tensor, region)
        if state.region == region:
            readers = state.readers
            if readers:
                for key, reader in readers.items():
                    # An in-order engine does not wait for its own reading.
                    if key != lane and reader != instance and reader not in found:
                        found[reader] = REUSE
                state.readers = {}
            writer = state.writer
            if writer >= 0 and writer != instance and writer not in found:
                found[writer] = REUSE
            state.writer = instance
        elif state.region is None and state.pieces is None and region[4] == DENSE:
            state.region = region
            state.writer = instance
        else:
            for bucket in state.spread(region).near(region):
                self._write(bucket, region, instance, found)

    # -- several regions -------------------------------------------------------------------------------------------

    def _read(self, bucket: _Bucket, region: Region, instance: int, key: int, found: dict[int, int]) -> None:
        for written, producer in bucket.writers.items():
            if producer != instance and (
                written == region
                or (
                    written[0] < region[1]
                    and region[0] < written[1]
                    and written[2] < region[3]
                    and region[2] < written[3]
                    and (not (written[4] or region[4]) or self._shapes.meet(written, region))
                )
            ):
                found[producer] = READ_AFTER_WRITE
        bucket.readers[(region, key)] = instance

    def _write(self, bucket: _Bucket, region: Region, instance: int, found: dict[int, int]) -> None:
        readers, writers = bucket.readers, bucket.writers
        if not readers and len(writers) == 1 and region in writers:
            # The usual case: a matmul adds to what the one before it wrote.
            if writers[region] != instance:
                found.setdefault(writers[region], REUSE)
                writers[region] = instance
            return
        meet = self._shapes.meet
        gone = []
        for key, reader in readers.items():
            used = key[0]
            if used == region or (rows_overlap(used, region) and (not (used[4] or region[4]) or meet(used, region))):
                if reader != instance:
                    found.setdefault(reader, REUSE)
                if _covers(region, used, bucket.bounds):
                    gone.append(key)
        if len(gone) == len(readers):
            readers.clear()
        else:
            for key in gone:
                del readers[key]
        over = []
        for written, producer in writers.items():
            if written == region:
                if producer != instance:
                    found.setdefault(producer, REUSE)
            elif rows_overlap(written, region) and (not (written[4] or region[4]) or meet(written, region)):
                if producer != instance:
                    found.setdefault(producer, REUSE)
                if _covers(region, written, bucket.bounds):
                    over.append(written)
        for old in over:
            del writers[old]
        writers[region] = instance

    # -- addresses used again --------------------------------------------------------------------------------------

    def _claim(self, state: _State) -> list[_State]:
        """Make `state` the holder of its addresses; the former holders."""
        holders = self._holders.get(state.space)
        if holders is None:
            holders = self._holders[state.space] = Holders()
        return holders.claim(state)

    def _overwrite(self, tensor: int, region: Region, instance: int, found: dict[int, int]) -> bool:
        """The usual way for a tile to come to life: written whole. False when that is not what happens here."""
        state = self._states[tensor]
        if state is None:
            state = self._states[tensor] = _State(self._tensors[tensor], self._places.get(tensor))
        if region != state.area or state.region is not None or state.pieces is not None:
            return False
        if state.placed:
            former = self._claim(state)
            if former:
                self._replace(state.extent, former, found)
                found.pop(instance, None)
        state.region = region
        state.writer = instance
        state.ready = True
        return True

    def _replace(self, extent: Extent, former: list[_State], found: dict[int, int]) -> None:
        """Add to `found` what the first write to all of `extent` waits for: all that was done to its bytes."""
        first, last, low, high = extent
        for old in former:
            old.ready = False
            region, own = old.region, old.extent
            if region is not None:
                row, byte = own[0], own[2]
                if (
                    row + region[0] < last
                    and first < row + region[1]
                    and byte + region[2] < high
                    and low < byte + region[3]
                ):
                    for reader in old.readers.values():
                        if reader not in found:
                            found[reader] = REUSE
                    writer = old.writer
                    if writer >= 0 and writer not in found:
                        found[writer] = REUSE
            elif old.pieces is not None:
                self._replace_pieces(extent, own, old.pieces, found)
            if own == extent:
                old.forget()

    def _replace_pieces(self, extent: Extent, own: Extent, pieces: _Pieces, found: dict[int, int]) -> None:
        """As `_replace`, for a former holder at `own` that was accessed in several regions."""
        seen = (extent[0] - own[0], extent[1] - own[0], extent[2] - own[2], extent[3] - own[2], DENSE)
        for bucket in pieces.meeting(seen):
            for (used, _), reader in bucket.readers.items():
                if reader not in found and rows_overlap(used, seen) and (not used[4] or self._meet_moved(used, seen)):
                    found[reader] = REUSE
            for written, writer in bucket.writers.items():
                if (
                    writer not in found
                    and rows_overlap(written, seen)
                    and (not written[4] or self._meet_moved(written, seen))
                ):
                    found[writer] = REUSE

    def _meet_moved(self, used: Region, seen: Region) -> bool:
        """Whether a region with gaps meets a dense one that may begin outside of its tensor."""
        clipped = _clip(moved(used, -seen[0], -seen[2]), moved(seen, -seen[0], -seen[2]))
        return clipped is not None and self._shapes.meet(clipped, moved(seen, -seen[0], -seen[2]))

    def _enter(self, tensor: int, region: Region) -> _State:
        """Make a tensor the holder of its addresses before it is accessed at `region`."""
        state = self._states[tensor]
        if state is None:
            state = self._states[tensor] = _State(self._tensors[tensor], self._places.get(tensor))
        if state.placed:
            for old in self._claim(state):
                self._inherit(state, old, region)
        state.ready = True
        return state

    def _inherit(self, new: _State, old: _State, region: Region) -> None:
        """Make what the former holder `old` recorded part of the history of `new`, to be accessed at `region` next."""
        old.ready = False
        own, extent = old.extent, new.extent
        if old.region is None and old.pieces is None:
            return
        if own == extent and new.region is None and new.pieces is None:
            new.region, new.writer, new.readers, new.pieces = old.region, old.writer, old.readers, old.pieces
            old.forget()
            return
        pieces = new.spread(region)
        rows, shift, area = own[0] - extent[0], own[2] - extent[2], new.area
        for bucket in old.spread(region).meeting(moved(area, -rows, -shift)):
            for written, writer in bucket.writers.items():
                clipped = _clip(moved(written, rows, shift), area)
                if clipped is not None:
                    _inherit_writer(pieces, clipped, writer)
            for (used, lane), reader in bucket.readers.items():
                clipped = _clip(moved(used, rows, shift), area)
                if clipped is not None:
                    _inherit_reader(pieces, clipped, reader, lane)


def _inherit_writer(new: _Pieces, region: Region, writer: int) -> None:
    for bucket in new.near(region):
        known = bucket.writers.get(region)
        if known is None:
            bucket.writers[region] = writer
        elif known != writer:
            # Only the latest wrote what a reader would see; the other still has to be waited for before a write.
            bucket.writers[region] = max(known, writer)
            older = min(known, writer)
            bucket.readers.setdefault((region, -1 - older), older)


def _inherit_reader(new: _Pieces, region: Region, reader: int, lane: int) -> None:
    for bucket in new.near(region):
        key = (region, lane)
        bucket.readers[key] = max(bucket.readers.get(key, -1), reader)


def _covers(new: Region, old: Region, bounds: tuple[int, int, int, int]) -> bool:
    """Whether `new` writes every byte of `old` inside `bounds`."""
    return (
        new[4] == DENSE
        and new[0] <= max(old[0], bounds[0])
        and min(old[1], bounds[1]) <= new[1]
        and new[2] <= max(old[2], bounds[2])
        and min(old[3], bounds[3]) <= new[3]
    )


def _clip(region: Region, area: Region) -> Region | None:
    """`region` as seen from a tensor; one with gaps keeps its rectangle, so that its shape still fits."""
    first, last, low, high, shape = region
    if first >= area[1] or last <= 0 or low >= area[3] or high <= 0:
        return None
    if shape != DENSE:
        if first >= 0 and low >= 0:
            return region
        shape = UNKNOWN
    return (
        first if first > 0 else 0,
        last if last < area[1] else area[1],
        low if low > 0 else 0,
        high if high < area[3] else area[3],
        shape,
    )
