"""What is on its way to the disk, laid over what is there.

Invariant: a key is looked up in the newest write that is not stored yet, then in the replica; a failed store drops the overlay
from that ticket on, so that composing and merging never build on what is lost.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from mesh.crdt.replica import Reader, Replica, Rows, Table, Write, Writes


class Overlay:
    """A replica as it will be once everything under way is stored."""

    __slots__ = ("_open", "_pending", "_replica", "_tickets")

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._pending: dict[Table, Rows] = {table: {} for table in Table}
        self._tickets: dict[int, dict[Table, Rows]] = {}
        self._open: Reader | None = None

    @property
    def tickets(self) -> list[int]:
        """The tickets under way, oldest first."""
        return list(self._tickets)

    def put(self, ticket: int, write: Write) -> None:
        """Lay one write of `ticket` over the replica."""
        table, key, value = write.table, write.key, write.value
        self._tickets.setdefault(ticket, {}).setdefault(table, {})[key] = value
        self._pending[table][key] = value

    def put_all(self, ticket: int, table: Table, rows: Rows) -> None:
        """Lay `rows` of one table over the replica, as writes of `ticket`; None deletes."""
        if not rows:
            return
        self._tickets.setdefault(ticket, {}).setdefault(table, {}).update(rows)
        self._pending[table].update(rows)

    def writes(self, ticket: int) -> Writes:
        """All writes of `ticket`. Nothing may be put under it any more: what is returned is not a copy."""
        return Writes(self._tickets.get(ticket, {}))

    def stored(self, ticket: int) -> None:
        """The disk has the writes of `ticket`, and of every one before it."""
        self._lay({number: tables for number, tables in self._tickets.items() if number > ticket})

    def drop(self) -> None:
        """Forget everything under way: the oldest ticket failed, and the rest builds on it."""
        self._tickets.clear()
        for table in Table:
            self._pending[table].clear()

    def forget(self, ticket: int) -> None:
        """Take back the writes of the newest ticket, which nobody was asked to store."""
        self._lay({number: tables for number, tables in self._tickets.items() if number != ticket})

    def _lay(self, tickets: dict[int, dict[Table, Rows]]) -> None:
        """Let just these tickets be under way. They are few, so this costs less than knowing of every row which ticket it is of."""
        self.drop()
        self._tickets = tickets
        for tables in tickets.values():
            for table, rows in tables.items():
                self._pending[table].update(rows)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open a reader that sees the overlay; within the `with` of another one it is that one, so both see the same."""
        if self._open is not None:
            yield self._open
            return
        with self._replica.read() as below:
            self._open = reader = _OverlayReader(self._pending, below)
            try:
                yield reader
            finally:
                self._open = None
                reader.end()


class _Ended:
    """What stands below a reader whose `with` is over."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        raise AssertionError("a reader was used after its `with`")

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        raise AssertionError("a reader was used after its `with`")

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        raise AssertionError("a reader was used after its `with`")


_ENDED: Reader = _Ended()


class _OverlayReader:
    def __init__(self, pending: dict[Table, Rows], below: Reader) -> None:
        self._pending = pending
        self._below = below

    def end(self) -> None:
        """Let go of the replica: whoever still holds this must not keep one of the few places for readers that a file has."""
        self._below = _ENDED

    def get(self, table: Table, key: bytes) -> bytes | None:
        rows = self._pending[table]
        return rows[key] if key in rows else self._below.get(table, key)

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        rows = self._pending[table]
        if rows.keys().isdisjoint(keys):
            return self._below.find(table, keys)
        found = self._below.find(table, [key for key in keys if key not in rows])
        above = [(key, rows[key]) for key in keys if key in rows]
        return found | {key: value for key, value in above if value is not None}

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        rows = self._pending[
            table
        ]  # Few: what waits for the disk. Sorting them when asked is cheaper than keeping them sorted.
        above = sorted(key for key in rows if key > after and key.startswith(prefix))
        below = self._below.scan(table, prefix, after)
        yield from self._merge(table, iter(above), below) if above else below

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
            value = self._pending[table][upper]
            if value is not None:
                yield upper, value
            upper = next(above, None)
