"""How much room held batches may take, of one line of a writer and in total.

Invariant: what is counted are the batches in the log that are not applied; a full quota refuses further held batches at the door
and never drops one that was taken.
"""

from msgspec import Struct

from mesh.config import LedgerConfig
from mesh.crdt.batch import Batch, decode_batch
from mesh.crdt.keys import batch_key, number_of
from mesh.crdt.lines import Line, LineId, Lines
from mesh.crdt.replica import Reader, Table
from mesh.errors import DamagedRow, MalformedMessage

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
        self._held: dict[LineId, Use] = {}
        self._batches = self._size = 0

    @property
    def total(self) -> Use:
        """What is held of all writers."""
        return Use(self._batches, self._size)

    def of(self, name: LineId) -> Use:
        """What is held of one line."""
        return self._held.get(name, Use())

    def recount(self, reader: Reader, lines: Lines) -> None:
        """Begin again with what is in the log."""
        self._held.clear()
        self._batches = self._size = 0
        for name in sorted(lines):
            if lines[name].applied.number < lines[name].have.number:
                self._count_line(reader, name, lines[name])

    def _count_line(self, reader: Reader, name: LineId, line: Line) -> None:
        try:
            for key, row in reader.scan(Table.BATCHES, name, batch_key(name, line.applied.number)):
                if number_of(key) > line.have.number:
                    return
                self.add(name, size_of(decode_batch(row)))
        except (DamagedRow, MalformedMessage):
            return  # Whoever mends the row asks for it; until then the count is too low.

    def add(self, name: LineId, size: int) -> None:
        """A batch of that many bytes is in the log, and cannot be applied yet."""
        self._change(name, 1, size)

    def remove(self, name: LineId, size: int) -> None:
        """A batch that was added is applied."""
        self._change(name, -1, -size)

    def _change(self, name: LineId, batches: int, size: int) -> None:
        use = self._held.pop(name, Use())
        batches, size = max(batches, -use.batches), max(size, -use.size)  # What was damaged was not counted.
        if use.batches + batches > 0:
            self._held[name] = Use(use.batches + batches, use.size + size)
        self._batches += batches
        self._size += size

    def fault(self, name: LineId, size: int) -> str | None:
        """Why one more batch may not be held, or None."""
        limits = self.limits
        if (use := self._held.get(name)) is not None and use.batches >= limits.held_per_writer_max:
            return f"more than {limits.held_per_writer_max} batches of it are held"
        if self._batches >= limits.held_batches_max:
            return f"more than {limits.held_batches_max} batches of all writers are held"
        if self._size + size > limits.held_bytes_max:
            return f"more than {limits.held_bytes_max} bytes of all writers are held"
        return None
