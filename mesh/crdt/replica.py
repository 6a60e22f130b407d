"""How a replica is read and changed, and the in-memory replica that tests and the simulator use.

Invariant: a reader sees one committed state for as long as it is open; writes of one call become visible together.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from sortedcontainers import SortedDict

KEY_BYTES_MAX = 511  # LMDB 0.9's limit, which every replica keeps.


class Table(StrEnum):
    """The named databases of a replica. Keys are 1 to 511 bytes (LMDB 0.9 format), in byte order."""

    BATCHES = "batches"  # line (the writer, or a further branch of it), number -> the signed batch, verbatim
    CELLS = "cells"  # collection NUL key NUL field -> live siblings
    CONTEXT = "context"  # writer -> applied head, have head, newest stamp
    FORKS = "forks"  # writer, line -> the same of a further branch of a writer that forked
    FATES = "fates"  # line, number -> why a batch is void or held
    BUCKETS = "buckets"  # one byte -> 32 bytes of fingerprint
    CERTIFICATES = "certificates"  # hash -> certificate bytes
    ENDS = "ends"  # name -> an admin's signed end of a writer
    ENDED = "ended"  # writer, number, hash -> a batch that an end took, verbatim
    ASSUMED = "assumed"  # a batch that an end may have taken -> who was applied without waiting for it
    META = "meta"  # schema version, era, boot, clock
    BOOK = "book"  # node -> the last claim heard: the peer book
    BOARDS = "boards"  # owner -> signed deltas; in an environment of its own, committed lazily


class Write(Struct, frozen=True, array_like=True, gc=False):
    """One key of one table set to `value`, or deleted where `value` is None."""

    table: Table
    key: bytes
    value: bytes | None


Rows = dict[bytes, bytes | None]
"""Several keys of one table, each set to its value, or deleted where that is None."""


class Writes(Struct, frozen=True):
    """The writes of one ticket, at most one per key, as they are gathered: by table."""

    tables: dict[Table, Rows]

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))

    def __iter__(self) -> Iterator[Write]:
        return (Write(table, key, value) for table, rows in self.tables.items() for key, value in rows.items())


def gathered(writes: Iterable[Write]) -> Writes:
    """`writes` by table; the last one of a key stays."""
    if isinstance(writes, Writes):
        return writes
    tables: dict[Table, Rows] = {}
    for write in writes:
        tables.setdefault(write.table, {})[write.key] = write.value
    return Writes(tables)


class Reader(Protocol):
    """One committed state. Never keep one across an `await`: an open LMDB reader pins every page freed since."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        ...

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The values of those `keys` that are there; one call for many costs less than many calls of `get`."""
        ...

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key starts with `prefix` and is greater than `after`, in byte order of the keys."""
        ...


class Replica(Protocol):
    """A store that can be read. Who may write to it, and when, is the owner's business."""

    def read(self) -> AbstractContextManager[Reader]:
        """Open a reader on the newest committed state."""
        ...


class MemoryReplica:
    """A replica in memory. It is its own reader, because nothing writes to it while a synchronous caller reads.

    `base` are rows that it begins with and that it never changes: many replicas may share them.
    """

    __slots__ = ("_base", "_hidden", "_tables")

    def __init__(self, base: "MemoryReplica | None" = None) -> None:
        self._base = base
        self._tables: dict[Table, SortedDict[bytes, bytes]] = {}
        self._hidden: dict[Table, set[bytes]] = {}  # Keys of the base that were deleted here.

    @contextmanager
    def read(self) -> Iterator[Reader]:
        yield self

    def get(self, table: Table, key: bytes) -> bytes | None:
        rows = self._tables.get(table)
        value: bytes | None = rows.get(key) if rows is not None else None
        if value is not None or self._base is None or key in self._hidden.get(table, ()):
            return value
        return self._base.get(table, key)

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        return {key: value for key in keys if (value := self.get(table, key)) is not None}

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        own = self._scan_own(table, prefix, after)
        if self._base is None:
            return own
        rows: Mapping[bytes, bytes] = self._tables.get(table, {})
        hidden = self._hidden.get(table, ())
        below = (row for row in self._base.scan(table, prefix, after) if row[0] not in rows and row[0] not in hidden)
        return heapq.merge(own, below)

    def _scan_own(self, table: Table, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        rows = self._tables.get(table)
        if rows is None:
            return
        start = max(prefix, after)
        for key in rows.irange(start, inclusive=(after < prefix or not after, True)):
            if not key.startswith(prefix):
                return
            yield key, rows[key]

    def write(self, writes: Iterable[Write]) -> None:
        """Apply `writes` in order, all of them."""
        for write in writes:
            assert 0 < len(write.key) <= KEY_BYTES_MAX, (
                f"{write.table} has keys of 1 to {KEY_BYTES_MAX} bytes, like LMDB"
            )
            rows = self._tables.get(write.table)
            if rows is None:
                rows = self._tables[write.table] = SortedDict()
            if write.value is None:
                rows.pop(write.key, None)
                self._hide(write.table, write.key)
            else:
                rows[write.key] = write.value

    def _hide(self, table: Table, key: bytes) -> None:
        if self._base is not None and self._base.get(table, key) is not None:
            self._hidden.setdefault(table, set()).add(key)
