"""Reading past rows that a disk has damaged, where a reader can tell.

Invariant: a damaged row is never handed on as a value; whoever reads here learns of each one that was met.
"""

from collections.abc import Collection, Iterator

from msgspec import Struct

from mesh.crdt.replica import Reader, Table, Write
from mesh.errors import DamagedRow


class Damaged(Struct, frozen=True):
    """The row `key` of `table` on this node's disk is not what was written, or is missing."""

    table: Table
    key: bytes


class Suspect(Struct, frozen=True):
    """Cells in these buckets of the fingerprint may be wrong on this node's disk."""

    buckets: tuple[int, ...]


class Mend(Struct, frozen=True):
    """Damaged rows as they have to be. `about` says for people what they are."""

    writes: tuple[Write, ...]
    about: str


def rows(reader: Reader, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes | None]]:
    """Like `reader.scan`, with None as the value of a damaged row."""
    while True:
        try:
            yield from reader.scan(table, prefix, after)
        except DamagedRow as damaged:
            yield damaged.key, None
            after = damaged.key
        else:
            return


class Tolerant:
    """A reader to which a damaged row is an absent one. `damaged` holds the rows that were met, by table and key."""

    def __init__(self, below: Reader) -> None:
        self._below = below
        self.damaged: dict[tuple[Table, bytes], None] = {}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        try:
            return self._below.get(table, key)
        except DamagedRow:
            self.damaged[table, key] = None
            return None

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The values of those `keys` that are there."""
        return {key: value for key in keys if (value := self.get(table, key)) is not None}

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key starts with `prefix` and is greater than `after`, without the damaged ones."""
        for key, row in rows(self._below, table, prefix, after):
            if row is None:
                self.damaged[table, key] = None
            else:
                yield key, row
