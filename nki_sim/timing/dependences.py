"""Dependences: which earlier instructions an access has to wait for, from the bytes both touch.

Each tensor keeps the last writers and the readers since, in buckets of its own rectangle so that a large tensor written
in tiles stays cheap. Tensors placed on the same addresses hand their records over when one takes another's place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nki_sim.program.ir import TensorDecl
from nki_sim.timing.regions import DENSE, Region, Shapes, moved, rows_overlap, whole

READ_AFTER_WRITE = 0
REUSE = 1
"""Write after read, or write after write: the consumer waits for a place, not for a value."""

_MAX_BUCKETS = 64
_PAGE_BYTES = 2048


class _Bucket:
    """Records of one part of a tensor; `bounds` is that part: (first row, end row, first byte, end byte)."""

    __slots__ = ("bounds", "readers", "writers")

    def __init__(self, bounds: tuple[int, int, int, int]) -> None:
        self.bounds = bounds
        self.writers: dict[Region, int] = {}
        # Keyed by lane too: an in-order engine's last read stands for its earlier ones of the same bytes.
        self.readers: dict[tuple[Region, int], int] = {}


class _State:
    __slots__ = ("area", "buckets", "columns", "extent", "held", "pages", "place", "ready", "rows", "single", "space")

    def __init__(self, tensor: TensorDecl, place: tuple[int, int] | None) -> None:
        self.area = whole(tensor)
        self.place = place
        self.space = tensor.space
        self.rows = 0
        self.columns = 0
        self.buckets: dict[tuple[int, int], _Bucket] = {}
        self.single: _Bucket | None = None
        # Holds its addresses and has its buckets: nothing to do before an access.
        self.ready = False
        self.pages: range = range(0)
        # (first partition, end partition, first byte, end byte) in the memory.
        self.extent = (0, 0, 0, 0)
        # Byte ranges of the place that no other tensor has taken since.
        self.held: list[tuple[int, int]] = []
        if place is not None:
            first = place[1] // _PAGE_BYTES
            self.extent = (place[0], place[0] + self.area[1], place[1], place[1] + self.area[3])
            self.pages = range(first, (place[1] + max(1, self.area[3]) - 1) // _PAGE_BYTES + 1)

    def split(self, region: Region) -> None:
        """Choose the bucket size after the first access."""
        height, width = self.area[1], self.area[3]
        rows = max(1, region[1] - region[0])
        columns = max(1, region[3] - region[2])
        while -(-height // rows) * -(-width // columns) > _MAX_BUCKETS:
            if rows * width < columns * height:
                rows *= 2
            else:
                columns *= 2
        self.rows, self.columns = rows, columns
        if rows >= height and columns >= width:
            self.single = self.buckets[(0, 0)] = _Bucket(self.area[:4])

    def bucket(self, row: int, column: int) -> _Bucket:
        """One bucket, made when missing."""
        found = self.buckets.get((row, column))
        if found is None:
            bounds = (row * self.rows, (row + 1) * self.rows, column * self.columns, (column + 1) * self.columns)
            found = self.buckets[(row, column)] = _Bucket(bounds)
        return found

    def near(self, region: Region) -> Iterator[_Bucket]:
        """The buckets `region` touches."""
        if self.single is not None:
            yield self.single
            return
        for row in range(region[0] // self.rows, (region[1] - 1) // self.rows + 1):
            for column in range(region[2] // self.columns, (region[3] - 1) // self.columns + 1):
                yield self.bucket(row, column)


class DependenceTracker:
    """Fed with the accesses of instructions in program order.

    in_order   lanes below this number complete in order, so that the latest instruction stands for all before it
    """

    def __init__(
        self,
        tensors: Sequence[TensorDecl],
        placement: Mapping[int, tuple[int, int]] | None,
        shapes: Shapes,
        in_order: int,
    ) -> None:
        places = placement or {}
        self._states: list[_State | None] = [None] * len(tensors)
        self._tensors = tensors
        self._places = places
        self._shapes = shapes
        self._in_order = in_order
        self._owners: dict[tuple[str, int], list[_State]] = {}

    def access(self, tensor: int, region: Region, write: bool, instance: int, lane: int, found: dict[int, int]) -> None:
        """Record an access and add what it depends on to `found`: instance -> READ_AFTER_WRITE or REUSE."""
        state = self._states[tensor]
        if state is None or not state.ready:
            state = self._enter(tensor, region)
        bucket = state.single
        if bucket is None:
            row, column = region[0] // state.rows, region[2] // state.columns
            if region[1] > (row + 1) * state.rows or region[3] > (column + 1) * state.columns:
                for bucket in state.near(region):
                    (self._write if write else self._read)(bucket, region, instance, lane, found)
                return
            bucket = state.bucket(row, column)
        if write:
            self._write(bucket, region, instance, lane, found)
        else:
            self._read(bucket, region, instance, lane, found)

    def _enter(self, tensor: int, region: Region) -> _State:
        """Make a tensor the holder of its addresses and choose its buckets."""
        state = self._states[tensor]
        if state is None:
            state = self._states[tensor] = _State(self._tensors[tensor], self._places.get(tensor))
        if state.place is not None:
            self._take(state, region)
        if not state.rows:
            state.split(region)
        state.ready = True
        return state

    def _read(self, bucket: _Bucket, region: Region, instance: int, lane: int, found: dict[int, int]) -> None:
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
        bucket.readers[(region, lane if lane < self._in_order else -1 - instance)] = instance

    def _write(self, bucket: _Bucket, region: Region, instance: int, lane: int, found: dict[int, int]) -> None:
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

    def _take(self, state: _State, region: Region) -> None:
        """Make `state` the holder of its addresses; what the former holders did there becomes its history."""
        owners = self._owners
        seen: list[_State] = []
        for page in state.pages:
            for other in owners.get((state.space, page), ()):
                if other is not state and other not in seen and _meets_held(state, other):
                    seen.append(other)
        for other in seen:
            self._hand_over(other, state, region)
        state.held = [state.extent[2:]]
        for page in state.pages:
            room = owners.setdefault((state.space, page), [])
            if state not in room:
                room.append(state)

    def _hand_over(self, old: _State, new: _State, region: Region) -> None:
        """Make what `old` recorded part of the history of `new`, which is about to be accessed at `region`."""
        old.ready = False
        if old.extent == new.extent:
            self._forget(old)
            if not new.rows:
                new.rows, new.columns = old.rows, old.columns
                new.buckets, new.single = old.buckets, old.single
                old.rows, old.columns, old.buckets, old.single = 0, 0, {}, None
                return
        if not new.rows:
            new.split(region)
        rows = old.extent[0] - new.extent[0]
        shift = old.extent[2] - new.extent[2]
        area = new.area
        for bucket in old.buckets.values():
            for written, writer in bucket.writers.items():
                clipped = _clip(moved(written, rows, shift), area)
                if clipped is not None:
                    self._inherit_writer(new, clipped, writer)
            for (used, lane), reader in bucket.readers.items():
                clipped = _clip(moved(used, rows, shift), area)
                if clipped is not None:
                    self._inherit_reader(new, clipped, reader, lane)
        self._give_up(old, new)

    @staticmethod
    def _inherit_writer(new: _State, region: Region, writer: int) -> None:
        for bucket in new.near(region):
            known = bucket.writers.get(region)
            if known is None:
                bucket.writers[region] = writer
            elif known != writer:
                # Only the latest wrote what a reader would see; the other still has to be waited for before a write.
                bucket.writers[region] = max(known, writer)
                older = min(known, writer)
                bucket.readers.setdefault((region, -1 - older), older)

    @staticmethod
    def _inherit_reader(new: _State, region: Region, reader: int, lane: int) -> None:
        for bucket in new.near(region):
            key = (region, lane)
            bucket.readers[key] = max(bucket.readers.get(key, -1), reader)

    def _give_up(self, old: _State, new: _State) -> None:
        """Take the bytes of `new` from what `old` holds; later tensors there find the history with `new`."""
        rows, taken = old.extent, new.extent
        if rows[0] < taken[0] or taken[1] < rows[1]:
            # Some partitions stay with `old`; it is asked again, which finds nothing that is not so.
            return
        left = []
        for start, end in old.held:
            if start < taken[2]:
                left.append((start, min(end, taken[2])))
            if taken[3] < end:
                left.append((max(start, taken[3]), end))
        old.held = left
        if not left:
            self._forget(old)

    def _forget(self, state: _State) -> None:
        for page in state.pages:
            room = self._owners.get((state.space, page))
            if room is not None and state in room:
                room.remove(state)


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
    if not rows_overlap(region, area):
        return None
    if region[4] != DENSE:
        return region if region[0] >= 0 and region[2] >= 0 else (*_cut(region, area), -1)
    return (*_cut(region, area), DENSE)


def _cut(region: Region, area: Region) -> tuple[int, int, int, int]:
    return max(region[0], 0), min(region[1], area[1]), max(region[2], 0), min(region[3], area[3])


def _meets_held(new: _State, old: _State) -> bool:
    """Whether the place of `new` overlaps what `old` still holds."""
    a, b = new.extent, old.extent
    return a[0] < b[1] and b[0] < a[1] and any(a[2] < end and start < a[3] for start, end in old.held)
