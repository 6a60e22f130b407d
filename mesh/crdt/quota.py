"""How much room held batches may take, of one writer and in total.

Invariant: what is counted are the batches in the log that are not applied; a full quota refuses further held batches at the door
and never drops one that was taken.
"""

from collections.abc import Mapping

from msgspec import Struct

from mesh.config import LedgerConfig
from mesh.crdt.batch import Batch, decode_batch
from mesh.crdt.keys import batch_key, number_of
from mesh.crdt.lines import Line
from mesh.crdt.replica import Reader, Table
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import WriterId

LIMITS = LedgerConfig()
UNLIMITED = LedgerConfig(held_per_writer_max=2**63, held_batches_max=2**63, held_bytes_max=2**63)


class Use(Struct, frozen=True):
    """Held batches, and the bytes that they take in the log."""

    batches: int = 0
    size: int = 0


def size_of(batch: Batch) -> int:
    """What a batch takes in the log, up to a few bytes of framing."""
    return len(batch.content) + len(batch.signature)


class Quota:
    """Counts held batches as the ledger takes and applies them."""

    def __init__(self, limits: LedgerConfig) -> None:
        self.limits = limits
        self._held: dict[WriterId, Use] = {}
        self._batches = self._size = 0

    @property
    def total(self) -> Use:
        """What is held of all writers."""
        return Use(self._batches, self._size)

    def of(self, writer: WriterId) -> Use:
        """What is held of one writer."""
        return self._held.get(writer, Use())

    def recount(self, reader: Reader, lines: Mapping[WriterId, Line]) -> None:
        """Begin again with what is in the log."""
        self._held.clear()
        self._batches = self._size = 0
        for writer in sorted(lines):
            if lines[writer].applied.number < lines[writer].have.number:
                self._count_writer(reader, writer, lines[writer])

    def _count_writer(self, reader: Reader, writer: WriterId, line: Line) -> None:
        try:
            for key, row in reader.scan(Table.BATCHES, writer, batch_key(writer, line.applied.number)):
                if number_of(key) > line.have.number:
                    return
                self.add(writer, size_of(decode_batch(row)))
        except (DamagedRow, MalformedMessage):
            return  # Whoever mends the row asks for it; until then the count is too low.

    def add(self, writer: WriterId, size: int) -> None:
        """A batch of that many bytes is in the log, and cannot be applied yet."""
        self._change(writer, 1, size)

    def remove(self, writer: WriterId, size: int) -> None:
        """A batch that was added is applied."""
        self._change(writer, -1, -size)

    def _change(self, writer: WriterId, batches: int, size: int) -> None:
        use = self._held.pop(writer, Use())
        batches, size = max(batches, -use.batches), max(size, -use.size)  # What was damaged was not counted.
        if use.batches + batches > 0:
            self._held[writer] = Use(use.batches + batches, use.size + size)
        self._batches += batches
        self._size += size

    def fault(self, writer: WriterId, size: int) -> str | None:
        """Why one more batch may not be held, or None."""
        limits = self.limits
        if (use := self._held.get(writer)) is not None and use.batches >= limits.held_per_writer_max:
            return f"more than {limits.held_per_writer_max} batches of it are held"
        if self._batches >= limits.held_batches_max:
            return f"more than {limits.held_batches_max} batches of all writers are held"
        if self._size + size > limits.held_bytes_max:
            return f"more than {limits.held_bytes_max} bytes of all writers are held"
        return None
