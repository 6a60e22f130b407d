"""What is left of a batch: which of its changes are still live, and what replaced the others.

Invariant: read from the cells and the log alone, so that every peer with the same batches says the same; a batch of which a part
was replaced says so.
"""

from collections.abc import Collection, Iterable
from typing import Literal

from msgspec import Struct

from mesh.crdt.apply import sibling_of
from mesh.crdt.batch import Change, Kind, OpenBatch, decode_batch, hash_content, reread
from mesh.crdt.branches import line_of
from mesh.crdt.cell import Sibling, decode_cell
from mesh.crdt.ends import End, read_ends
from mesh.crdt.keys import batch_key, cell_key
from mesh.crdt.lines import LineId, leaves_of, read_family
from mesh.crdt.replica import Reader, Table
from mesh.crdt.together import part_of
from mesh.ids import Dot, RecordId, WriterId

BatchStanding = Literal["current", "partly superseded", "superseded", "void", "held", "revoked"]
Fate = Literal["applied", "void", "held", "revoked"]
BatchPlace = tuple[LineId, int]
"""Where a batch stands in the log: its line, and its number."""


class Replacing(Struct, frozen=True):
    """A change that took the place of another: which one, and why its author made it."""

    replaced: Dot
    sibling: Sibling
    about: dict[str, str]


def read_batch(reader: Reader, dot: Dot) -> OpenBatch | None:
    """The batch of a dot; None where it is not here. Without a mark it is any one of that writer and number."""
    if dot.mark and (revoked := revoked_row(reader, dot)) is not None:
        return _open(revoked)
    row = reader.get(Table.BATCHES, batch_key(line_of(reader, dot), dot.number)) if 1 <= dot.number < 2**63 else None
    row = row or revoked_row(reader, dot)
    return _open(row) if row is not None else None


def revoked_row(reader: Reader, dot: Dot) -> bytes | None:
    """The row of a batch that an end took; None where none did."""
    if not 1 <= dot.number < 2**63:
        return None
    found = next(reader.scan(Table.ENDED, dot.writer + dot.number.to_bytes(8, "big") + dot.mark), None)
    return found[1] if found is not None else None


def end_of(reader: Reader, opened: OpenBatch) -> End | None:
    """The end that took a batch: of several on its chain the lowest. None where none did."""
    content = opened.content
    if revoked_row(reader, opened.dot(0)) is None:
        return None
    ends = read_ends(reader)
    beyond = [end for end in ends.of(content.writer) if end.number < content.number]
    if len(beyond) <= 1:
        return beyond[0] if beyond else None
    found: End | None = None
    at: OpenBatch | None = opened
    while at is not None:  # Ends of several branches: which one stands before this batch only its chain tells.
        found = ends.bars(at) or found
        before = Dot(content.writer, at.content.number - 1, 0, at.content.previous[:8])
        row = revoked_row(reader, before)
        at = _open(row) if row is not None else None
    return found


def said_of(end: End) -> str:
    """Who ended a writer, and why, in words."""
    return f"ended by {end.author}: {end.reason}"


def place_of(reader: Reader, opened: OpenBatch) -> BatchPlace:
    """Where a batch stands in the log here."""
    return line_of(reader, opened.dot(0)), opened.content.number


def followers_of(reader: Reader, opened: OpenBatch) -> frozenset[LineId]:
    """The lines of its writer that go on behind a batch, its own among them."""
    family, (own, number) = read_family(reader, opened.content.writer), place_of(reader, opened)
    return frozenset(line for line in family if line == own or leaves_of(family, line).get(own, 0) >= number)


def _open(row: bytes) -> OpenBatch:
    batch = decode_batch(row)
    return OpenBatch(batch, hash_content(batch.content), reread(batch))


def fate_of(reader: Reader, place: BatchPlace, writer: WriterId) -> tuple[Fate, str]:
    """Whether a batch of the log counts here, and why not."""
    said = (reader.get(Table.FATES, batch_key(*place)) or b"").decode()
    line = read_family(reader, writer).get(place[0])
    if line is None or place[1] > line.applied.number:
        return "held", said or "an earlier batch of its writer is held"
    return ("void", said) if said else ("applied", "")


def is_live(reader: Reader, change: Change, dot: Dot) -> bool:
    """Whether a change still holds: nobody has replaced its value, or taken the bury back. A restore leaves nothing to replace."""
    if change.kind is Kind.RESTORE:
        return True
    cell = decode_cell(reader.get(Table.CELLS, cell_key(change.record, change.field)))
    return any(sibling.dot == dot for sibling in cell)


def standing_of(reader: Reader, opened: OpenBatch, part: range | None = None) -> BatchStanding:
    """What is left of a whole batch, or of the changes of one `part` of it."""
    if revoked_row(reader, opened.dot(0)) is not None:
        return "revoked"
    fate, _ = fate_of(reader, place_of(reader, opened), opened.content.writer)
    if fate != "applied":
        return fate
    changes = opened.content.changes
    part = range(len(changes)) if part is None else part
    live = [is_live(reader, changes[index], opened.dot(index)) for index in part]
    return "current" if all(live) else "partly superseded" if any(live) else "superseded"


class Standings:
    """What is left of writes, each looked at once: a history names the same one in many rows."""

    def __init__(self) -> None:
        self._found: dict[Dot, BatchStanding] = {}

    def of(self, reader: Reader, dot: Dot) -> BatchStanding:
        """What is left of the write that `dot` is of: its batch, or a part of it. Raises KeyError where it is not in the log."""
        if (known := self._found.get(dot)) is not None:
            return known
        opened = read_batch(reader, dot)
        if opened is None:
            raise KeyError(str(dot))
        part = part_of(opened.content, dot.index)
        standing = standing_of(reader, opened, part)
        self._found.update((opened.dot(index), standing) for index in part)
        return standing


def replacing_in(
    reader: Reader, place: BatchPlace, row: bytes, replaced: OpenBatch, followers: Collection[LineId]
) -> list[Replacing]:
    """The changes in one row of the log that replace a change of the batch `replaced`.

    `place` is within the applied position; `followers` are those of `replaced`.
    """
    own = place[0] in followers and place[1] > replaced.content.number
    if not (own or replaced.hash[:8] in row):
        return []  # A dot stands in the row verbatim with its mark; most rows are never decoded.
    cells = {(change.record, change.field): index for index, change in enumerate(replaced.content.changes)}
    if own and not _names_one(row, cells):
        return []
    opened = _open(row)
    if opened.hash == replaced.hash or reader.get(Table.FATES, batch_key(*place)) is not None:
        return []
    found: list[Replacing] = []
    for index, change in enumerate(opened.content.changes):
        at = cells.get((change.record, change.field))
        if at is not None and (change.kind is not Kind.BURY or own) and (own or replaced.dot(at) in change.over):
            found.append(Replacing(replaced.dot(at), sibling_of(opened, index), opened.content.about))
    return found


def _names_one(row: bytes, cells: Iterable[tuple[RecordId, str]]) -> bool:
    return any(key.encode() in row for key in dict.fromkeys(record.key for record, _ in cells))
