"""What became of a record: its changes, straight from the log of applied batches, and the record as they leave it.

Invariant: only applied batches that are not void count, and `refold` of all of them is what the view shows.
"""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter

from msgspec import Struct

from mesh.crdt.apply import change_cell, sibling_of
from mesh.crdt.batch import Change, OpenBatch, decode_batch, hash_content, reread
from mesh.crdt.cell import Cell, Sibling
from mesh.crdt.keys import batch_key, number_of
from mesh.crdt.replica import Reader, Table
from mesh.crdt.view import StoredRecord
from mesh.ids import BatchHash, Dot, RecordId, WriterId

START = (WriterId(b""), 0)  # Before every row of the log.

Place = tuple[WriterId, int]
"""A row of the log: writer and number."""


class Made(Struct, frozen=True):
    """One change of a record, as a sibling too, with the hash of its applied batch and what the author said about that."""

    change: Change
    sibling: Sibling
    batch: BatchHash
    about: dict[str, str]

    @property
    def dot(self) -> Dot:
        """Its name."""
        return self.sibling.dot

    @property
    def rank(self) -> tuple[int, Dot]:
        """By stamp: the order in which people read a history."""
        return self.sibling.stamp, self.sibling.dot


def scan_log(reader: Reader, position: Mapping[WriterId, int], after: Place = START) -> Iterator[tuple[Place, bytes]]:
    """The rows of BATCHES within `position` behind `after`, writer by writer."""
    for writer in sorted(writer for writer in position if writer >= after[0]):
        start = after[1] if writer == after[0] else 0
        for key, row in reader.scan(Table.BATCHES, writer, batch_key(writer, start)):
            if number_of(key) > position[writer]:
                break
            yield (writer, number_of(key)), row


def changes_in(reader: Reader, place: Place, row: bytes, record: RecordId) -> list[Made]:
    """The changes of `record` in one row of the log; none where the batch is void. `place` is within the applied position."""
    if record.key.encode() not in row:  # Content stands in the row verbatim; most rows are never decoded.
        return []
    batch = decode_batch(row)
    content = reread(batch)
    indices = [index for index, change in enumerate(content.changes) if change.record == record]
    if not indices or reader.get(Table.FATES, batch_key(*place)) is not None:
        return []
    opened = OpenBatch(batch, hash_content(batch.content), content)
    return [Made(content.changes[i], sibling_of(opened, i), opened.hash, content.about) for i in indices]


def within(made: Iterable[Made], position: Mapping[WriterId, int]) -> list[Made]:
    """Those changes whose batch is within `position`."""
    return [one for one in made if one.dot.number <= position.get(one.dot.writer, 0)]


def refold(record: RecordId, made: Iterable[Made]) -> StoredRecord | None:
    """The record as exactly these changes leave it, in whatever order they come; None where they leave nothing.

    The changes are those of one record. Each writer's are complete up to its last one.
    """
    cells: dict[str, Cell] = {}
    for one in _in_causal_order(made):
        field = one.change.field
        cells[field] = change_cell(cells.get(field, ()), one.change, one.sibling)
    buries = cells.pop("", ())
    live = {field: cells[field] for field in sorted(cells, key=str.encode) if cells[field]}
    return StoredRecord(record, live, buries) if live or buries else None


def _in_causal_order(made: Iterable[Made]) -> Iterator[Made]:
    """Each change behind those that it can replace: the ones in its `over`, and its writer's earlier one of that cell.

    Stamps would not do: a clock far ahead is shown, and drags nobody along.
    """
    by_dot = {one.dot: one for one in sorted(made, key=lambda one: one.dot)}
    graph: TopologicalSorter[Dot] = TopologicalSorter()
    newest: dict[tuple[WriterId, str], Dot] = {}
    for dot, one in by_dot.items():
        before = newest.get((dot.writer, one.change.field))
        replaced = [other for other in one.change.over if other in by_dot]
        graph.add(dot, *([before] if before is not None else []), *replaced)
        newest[dot.writer, one.change.field] = dot
    for dot in graph.static_order():
        yield by_dot[dot]
