"""What a replica would gain and lose if another were put in its place.

Invariant: per writer the two logs have a common beginning, because batches are chained; what stands behind it on either side is
counted, whether the other side is only shorter or says something else.
"""

from bisect import bisect_left

from msgspec import Struct

from mesh.crdt.batch import decode_batch, hash_content, open_batch
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import read_lines
from mesh.crdt.replica import Reader, Table
from mesh.ids import MeshId, RecordId, WriterId


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
    here, there = read_lines(present), read_lines(coming)
    found: list[Balance] = []
    for writer in sorted(here.keys() | there.keys()):
        have = here[writer].have.number if writer in here else 0
        comes = there[writer].have.number if writer in there else 0
        common = _common(present, coming, writer, min(have, comes))
        if (have, comes) != (common, common):
            gained = len(_records(coming, mesh, writer, common))
            lost = len(_records(present, mesh, writer, common))
            found.append(Balance(writer.hex(), common, comes - common, have - common, gained, lost))
    return found


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
    return {change.record for _, row in rows for change in open_batch(decode_batch(row), mesh).content.changes}
