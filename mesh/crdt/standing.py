"""What is left of a batch: which of its changes are still live, and what replaced the others.

Invariant: read from the cells and the log alone, so that every peer with the same batches says the same; a batch of which a part
was replaced says so.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from mesh.crdt.apply import sibling_of
from mesh.crdt.batch import Change, Kind, OpenBatch, decode_batch, hash_content, reread
from mesh.crdt.cell import Sibling, decode_cell
from mesh.crdt.keys import batch_key, cell_key
from mesh.crdt.lines import read_line
from mesh.crdt.replica import Reader, Table
from mesh.ids import Dot, RecordId, WriterId

BatchStanding = Literal["current", "partly superseded", "superseded", "void", "held"]
Fate = Literal["applied", "void", "held"]
BatchPlace = tuple[WriterId, int]


class Replacing(Struct, frozen=True):
    """A change that took the place of another: which one, and why its author made it."""

    replaced: Dot
    sibling: Sibling
    about: dict[str, str]


def read_batch(reader: Reader, place: BatchPlace) -> OpenBatch | None:
    """A batch of the log; None where it is not here."""
    row = reader.get(Table.BATCHES, batch_key(*place)) if 1 <= place[1] < 2**63 else None
    return _open(row) if row is not None else None


def _open(row: bytes) -> OpenBatch:
    batch = decode_batch(row)
    return OpenBatch(batch, hash_content(batch.content), reread(batch))


def fate_of(reader: Reader, place: BatchPlace) -> tuple[Fate, str]:
    """Whether a batch of the log counts here, and why not."""
    said = (reader.get(Table.FATES, batch_key(*place)) or b"").decode()
    line = read_line(reader, place[0])
    if line is None or place[1] > line.applied.number:
        return "held", said or "an earlier batch of its writer is held"
    return ("void", said) if said else ("applied", "")


def is_live(reader: Reader, change: Change, dot: Dot) -> bool:
    """Whether a change still holds: nobody has replaced its value, or taken the bury back. A restore leaves nothing to replace."""
    if change.kind is Kind.RESTORE:
        return True
    cell = decode_cell(reader.get(Table.CELLS, cell_key(change.record, change.field)))
    return any(sibling.dot == dot for sibling in cell)


def standing_of(reader: Reader, opened: OpenBatch) -> BatchStanding:
    """What is left of a whole batch."""
    fate, _ = fate_of(reader, (opened.content.writer, opened.content.number))
    if fate != "applied":
        return fate
    live = [is_live(reader, change, opened.dot(index)) for index, change in enumerate(opened.content.changes)]
    return "current" if all(live) else "partly superseded" if any(live) else "superseded"


class Standings:
    """What is left of batches, each looked at once: a history names the same batch in many rows."""

    def __init__(self) -> None:
        self._found: dict[BatchPlace, BatchStanding] = {}

    def of(self, reader: Reader, dot: Dot) -> BatchStanding:
        """What is left of the batch that `dot` is in. Raises KeyError where it is not in the log."""
        place = (dot.writer, dot.number)
        if place not in self._found:
            opened = read_batch(reader, place)
            if opened is None:
                raise KeyError(str(dot))
            self._found[place] = standing_of(reader, opened)
        return self._found[place]


def replacing_in(reader: Reader, place: BatchPlace, row: bytes, replaced: OpenBatch) -> list[Replacing]:
    """The changes in one row of the log that replace a change of the batch `replaced`. `place` is within the applied position."""
    own = place[0] == replaced.content.writer
    if place == (replaced.content.writer, replaced.content.number) or not (own or replaced.hash[:8] in row):
        return []  # A dot stands in the row verbatim with its mark; most rows are never decoded.
    if own and place[1] < replaced.content.number:
        return []
    cells = {(change.record, change.field): index for index, change in enumerate(replaced.content.changes)}
    if own and not _names_one(row, cells):
        return []
    opened = _open(row)
    if reader.get(Table.FATES, batch_key(*place)) is not None:
        return []
    found: list[Replacing] = []
    for index, change in enumerate(opened.content.changes):
        at = cells.get((change.record, change.field))
        if at is not None and (change.kind is not Kind.BURY or own) and (own or replaced.dot(at) in change.over):
            found.append(Replacing(replaced.dot(at), sibling_of(opened, index), opened.content.about))
    return found


def _names_one(row: bytes, cells: Iterable[tuple[RecordId, str]]) -> bool:
    return any(key.encode() in row for key in dict.fromkeys(record.key for record, _ in cells))
