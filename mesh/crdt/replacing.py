"""What a replica would gain and lose if another were put in its place.

Invariant: per writer the two logs have a common beginning, because batches are chained; what stands behind it on either side is
counted, whether the other side is only shorter or says something else.
"""

from bisect import bisect_left
from collections.abc import Iterable

from msgspec import Struct

from mesh.crdt.batch import OpenBatch, decode_batch, hash_content, open_batch
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, read_family, read_line, read_lines
from mesh.crdt.replica import Reader, Table
from mesh.ids import BatchHash, MeshId, RecordId, WriterId


class Balance(Struct, frozen=True):
    """One writer: batches that both have, and batches, with the records that they change, that only one has."""

    writer: str
    common: int
    gained: int
    lost: int
    gained_records: int
    lost_records: int


def balances(present: Reader, coming: Reader, mesh: MeshId) -> list[Balance]:
    """Every writer of which one side has more, ordered by writer. Raises MalformedMessage where a log cannot be read."""
    here, there = Context(read_lines(present)), Context(read_lines(coming))
    writers = [line.have.writer for context in (here, there) for line in context.lines.values()]
    found: list[Balance] = []
    for writer in sorted(dict.fromkeys(writers)):
        if writer in here.branches or writer in there.branches:
            balance = _of_trees(present, coming, mesh, writer)
        else:
            balance = _of_chains(present, coming, mesh, writer)
        if balance.gained or balance.lost:
            found.append(balance)
    return found


def _of_chains(present: Reader, coming: Reader, mesh: MeshId, writer: WriterId) -> Balance:
    one, other = read_line(present, writer), read_line(coming, writer)
    have, comes = one.have.number if one else 0, other.have.number if other else 0
    common = _common(present, coming, writer, min(have, comes))
    gained = len(_records(coming, mesh, writer, common))
    lost = len(_records(present, mesh, writer, common))
    return Balance(writer.hex(), common, comes - common, have - common, gained, lost)


def _of_trees(present: Reader, coming: Reader, mesh: MeshId, writer: WriterId) -> Balance:
    """The same of a writer that forked: batches have no one order then, so each is looked at."""
    here, there = _batches(present, mesh, writer), _batches(coming, mesh, writer)
    gained = [there[name] for name in there if name not in here]
    lost = [here[name] for name in here if name not in there]
    common = len(here) - len(lost)
    return Balance(writer.hex(), common, len(gained), len(lost), len(_changed(gained)), len(_changed(lost)))


def _batches(reader: Reader, mesh: MeshId, writer: WriterId) -> dict[BatchHash, OpenBatch]:
    rows = (row for line in read_family(reader, writer) for _, row in reader.scan(Table.BATCHES, line))
    return {opened.hash: opened for opened in (open_batch(decode_batch(row), mesh) for row in rows)}


def _common(one: Reader, other: Reader, writer: WriterId, shorter: int) -> int:
    """How many of the first `shorter` batches are the same in both."""

    def differs(number: int) -> bool:
        key = batch_key(writer, number)
        return _hash(one, key) != _hash(other, key)

    return bisect_left(range(1, shorter + 1), True, key=differs)


def _hash(reader: Reader, key: bytes) -> bytes | None:
    row = reader.get(Table.BATCHES, key)
    return hash_content(decode_batch(row).content) if row is not None else None


def _records(reader: Reader, mesh: MeshId, writer: WriterId, common: int) -> set[RecordId]:
    rows = reader.scan(Table.BATCHES, writer, batch_key(writer, common))
    return _changed(open_batch(decode_batch(row), mesh) for _, row in rows)


def _changed(batches: Iterable[OpenBatch]) -> set[RecordId]:
    return {change.record for opened in batches for change in opened.content.changes}
