"""What is on its way to the disk, laid over what is there.

Invariant: a key is looked up in the newest write that is not stored yet, then in the replica; a failed store drops the overlay
from that ticket on, so that composing and merging never build on what is lost.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mesh.crdt.replica import Reader, Replica, Table, Write


class Overlay:
    """A replica as it will be once everything under way is stored."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._pending: dict[Table, dict[bytes, tuple[int, bytes | None]]] = {t: {} for t in Table}
        self._tickets: dict[int, dict[tuple[Table, bytes], bytes | None]] = {}

    @property
    def tickets(self) -> list[int]:
        """The tickets under way, oldest first."""
        return list(self._tickets)

    def put(self, ticket: int, write: Write) -> None:
        """Lay one write of `ticket` over the replica."""
        self._tickets.setdefault(ticket, {})[write.table, write.key] = write.value
        self._pending[write.table][write.key] = (ticket, write.value)

    def writes(self, ticket: int) -> tuple[Write, ...]:
        """All writes of `ticket`, one per key."""
        return tuple(Write(table, key, value) for (table, key), value in self._tickets.get(ticket, {}).items())

    def stored(self, ticket: int) -> None:
        """The disk has the writes of `ticket`."""
        for table, key in self._tickets.pop(ticket, {}):
            entry = self._pending[table].get(key)
            if entry is not None and entry[0] == ticket:
                del self._pending[table][key]

    def drop(self) -> None:
        """Forget everything under way: the oldest ticket failed, and the rest builds on it."""
        self._tickets.clear()
        for rows in self._pending.values():
            rows.clear()

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open a reader that sees the overlay."""
        with self._replica.read() as below:
            yield _OverlayReader(self._pending, below)


class Staging:
    """The writes of one batch while it is applied: seen at once by the batch itself, and dropped whole if applying fails."""

    def __init__(self, below: Reader) -> None:
        self._below = below
        self._staged: dict[tuple[Table, bytes], Write] = {}

    def get(self, table: Table, key: bytes) -> bytes | None:
        write = self._staged.get((table, key))
        return write.value if write is not None else self._below.get(table, key)

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        raise AssertionError("applying a batch reads single cells only")

    def put(self, write: Write) -> None:
        """Stage one write."""
        self._staged[write.table, write.key] = write

    def writes(self) -> list[Write]:
        """What was staged, one write per key."""
        return list(self._staged.values())


class _OverlayReader:
    def __init__(self, pending: dict[Table, dict[bytes, tuple[int, bytes | None]]], below: Reader) -> None:
        self._pending = pending
        self._below = below

    def get(self, table: Table, key: bytes) -> bytes | None:
        entry = self._pending[table].get(key)
        if entry is not None:
            return entry[1]
        return self._below.get(table, key)

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        rows = self._pending[
            table
        ]  # Few: what waits for the disk. Sorting them when asked is cheaper than keeping them sorted.
        above = iter(sorted(key for key in rows if key > after and key.startswith(prefix)))
        yield from self._merge(table, above, self._below.scan(table, prefix, after))

    def _merge(
        self, table: Table, above: Iterator[bytes], below: Iterator[tuple[bytes, bytes]]
    ) -> Iterator[tuple[bytes, bytes]]:
        upper, lower = next(above, None), next(below, None)
        while upper is not None or lower is not None:
            if upper is None or (lower is not None and lower[0] < upper):
                assert lower is not None
                yield lower
                lower = next(below, None)
                continue
            if lower is not None and lower[0] == upper:
                lower = next(below, None)
            value = self._pending[table][upper][1]
            if value is not None:
                yield upper, value
            upper = next(above, None)
