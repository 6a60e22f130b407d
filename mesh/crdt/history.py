"""What became of a record: its changes, straight from the log of applied batches, and the record as they leave it.

Invariant: only applied batches that are not void count, and `refold` of all of them is what the view shows.
"""

from collections.abc import Container, Iterable, Iterator

from msgspec import Struct

from mesh.crdt.apply import sibling_of
from mesh.crdt.batch import Change, Kind, OpenBatch, decode_batch, hash_content, reread
from mesh.crdt.branches import Position, Spans, spans_of
from mesh.crdt.cell import Cell, Sibling, ranked
from mesh.crdt.keys import batch_key, number_of
from mesh.crdt.lines import LineId, leaves_of, read_family
from mesh.crdt.replica import Reader, Table
from mesh.crdt.view import StoredRecord
from mesh.ids import BatchHash, Dot, RecordId

START = (LineId(b""), 0)  # Before every row of the log.

Place = tuple[LineId, int]
"""A row of the log: line and number."""


class Made(Struct, frozen=True, gc=False):
    """One change of a record, as a sibling too, with the hash of its applied batch and what the author said about that.

    `line` holds its batch, and `leaves` tells how far the lines count that this one goes on from, where its writer forked.
    """

    change: Change
    sibling: Sibling
    batch: BatchHash
    about: dict[str, str]
    line: LineId
    leaves: Spans

    @property
    def dot(self) -> Dot:
        """Its name."""
        return self.sibling.dot

    @property
    def rank(self) -> tuple[int, Dot]:
        """By stamp: the order in which people read a history."""
        return self.sibling.stamp, self.sibling.dot

    def follows(self, other: "Made") -> bool:
        """Whether the batch of `other` lies before this one's on the chain of their writer."""
        if other.line == self.line:
            return other.dot.number < self.dot.number
        return other.dot.number <= self.leaves.get(other.line, 0)


def scan_log(reader: Reader, position: Position, after: Place = START) -> Iterator[tuple[Place, bytes]]:
    """The rows of BATCHES within `position` behind `after`, line by line."""
    spans = spans_of(reader, position)
    for line in sorted(line for line in spans if line >= after[0]):
        start = after[1] if line == after[0] else 0
        for key, row in reader.scan(Table.BATCHES, line, batch_key(line, start)):
            if number_of(key) > spans[line]:
                break
            yield (line, number_of(key)), row


def changes_in(reader: Reader, place: Place, row: bytes, record: RecordId) -> list[Made]:
    """The changes of `record` in one row of the log; none where the batch is void. `place` is within the applied position."""
    if record.key.encode() not in row:  # Content stands in the row verbatim; most rows are never decoded.
        return []
    return made_in(reader, place, row, (record,))


def made_in(reader: Reader, place: Place, row: bytes, records: Container[RecordId]) -> list[Made]:
    """The changes of any of `records` in one row of the log; none where the batch is void."""
    batch = decode_batch(row)
    content = reread(batch)
    indices = [index for index, change in enumerate(content.changes) if change.record in records]
    if not indices or reader.get(Table.FATES, batch_key(*place)) is not None:
        return []
    opened = OpenBatch(batch, hash_content(batch.content), content)
    line = place[0]
    leaves = leaves_of(read_family(reader, content.writer), line) if line != content.writer else {}
    about = content.about
    return [Made(content.changes[i], sibling_of(opened, i), opened.hash, about, line, leaves) for i in indices]


def ended_changes(reader: Reader, key: bytes, record: RecordId) -> list[Made]:
    """The changes of `record` in a batch that an end took, by its key in ENDED."""
    row = reader.get(Table.ENDED, key)
    if row is None:
        return []
    batch = decode_batch(row)
    opened = OpenBatch(batch, hash_content(batch.content), reread(batch))
    about, line = opened.content.about, LineId(opened.content.writer)
    changes = enumerate(opened.content.changes)
    return [Made(c, sibling_of(opened, i), opened.hash, about, line, {}) for i, c in changes if c.record == record]


class Refold:
    """A record as some of its changes leave it, in whatever order they are added; each line's are complete up to its last one.

    No order is needed: a change is live where its writer has not changed that cell again behind it and no other change names it. So
    nothing depends on stamps either: a clock far ahead is shown, and drags nobody along.
    """

    def __init__(self, record: RecordId) -> None:
        self._record = record
        self._newest: dict[tuple[str, LineId], Made] = {}
        self._named: set[Dot] = set()

    def add(self, one: Made) -> None:
        """Count one change of the record in."""
        cell = (one.change.field, one.line)
        before = self._newest.get(cell)
        if before is None or before.dot < one.dot:
            self._newest[cell] = one
        if one.change.kind is not Kind.BURY:  # What a bury was made over stays live under it.
            self._named.update(one.change.over)

    def result(self) -> StoredRecord | None:
        """The record now; None where nothing is left of it."""
        found: dict[str, list[Sibling]] = {}
        for (field, _), one in self._newest.items():
            if one.change.kind is not Kind.RESTORE and one.dot not in self._named and not self._is_followed(field, one):
                found.setdefault(field, []).append(one.sibling)
        buries = ranked(found.pop("", ()))
        live: dict[str, Cell] = {field: ranked(found[field]) for field in sorted(found, key=str.encode)}
        return StoredRecord(self._record, live, buries) if live or buries else None

    def _is_followed(self, field: str, one: Made) -> bool:
        """Whether a branch that goes on from there has changed that field again."""
        others = ((where, other) for (where, _), other in self._newest.items() if other.leaves)
        return any(
            where == field and other.dot.writer == one.dot.writer and other.follows(one) for where, other in others
        )


def refold(record: RecordId, made: Iterable[Made]) -> StoredRecord | None:
    """The record as exactly these changes leave it, in whatever order they come; None where they leave nothing."""
    folding = Refold(record)
    for one in made:
        folding.add(one)
    return folding.result()
