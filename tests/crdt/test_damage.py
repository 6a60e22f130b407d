"""Rows that can't be read stop what needs them, and nothing else.

Invariant: an event that met damage leaves the ledger as it was; what was asked for before it goes on.
"""

from collections.abc import Collection, Iterator

from mesh.crdt.compose import Put
from mesh.crdt.damage import Mend, Tolerant, rows
from mesh.crdt.effects import Composed, Emit, NotComposed
from mesh.crdt.events import Merge
from mesh.crdt.fingerprint import bucket_of
from mesh.crdt.keys import batch_key, cell_key
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.errors import DamagedRow
from tests.crdt.histories import RECORDS
from tests.crdt.site import STRANGER, Pen, Site, put

KEY = cell_key(RECORDS[0], "current")


class RottenDisk(MemoryReplica):
    """A disk in memory of which some rows can't be read, like those of a file whose checks do not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.rotten: dict[tuple[Table, bytes], None] = {}

    def get(self, table: Table, key: bytes) -> bytes | None:
        if (table, key) in self.rotten:
            raise DamagedRow(table, key)
        return super().get(table, key)

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        return {key: value for key in keys if (value := self.get(table, key)) is not None}

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key, row in super().scan(table, prefix, after):
            if (table, key) in self.rotten:
                raise DamagedRow(table, key)
            yield key, row


def rotten_site() -> tuple[Site, RottenDisk]:
    site = Site("a")
    site.disk = disk = RottenDisk()
    site.open()
    site.write(Put(RECORDS[0], "current", 1), Put(RECORDS[1], "current", 2))
    return site, disk


def test_a_reader_goes_past_damage_and_remembers_it() -> None:
    _, disk = rotten_site()
    wanted = list(disk.scan(Table.CELLS))
    disk.rotten[Table.CELLS, KEY] = None
    assert list(rows(disk, Table.CELLS)) == [(key, None if key == KEY else row) for key, row in wanted]
    tolerant = Tolerant(disk)
    assert tolerant.get(Table.CELLS, KEY) is None
    assert list(tolerant.scan(Table.CELLS)) == [row for row in wanted if row[0] != KEY]
    assert list(tolerant.damaged) == [(Table.CELLS, KEY)]


def test_a_write_that_needs_a_damaged_row_is_refused_and_those_before_it_are_stored() -> None:
    site, disk = rotten_site()
    first = site.compose(Put(RECORDS[1], "current", 3))
    disk.rotten[Table.CELLS, KEY] = None
    disk.rotten[Table.BUCKETS, bytes([bucket_of(cell_key(RECORDS[1], "other"))])] = None
    for field in ("current", "other"):  # One is met before anything was begun, the other after the batch was signed.
        record = RECORDS[0] if field == "current" else RECORDS[1]
        site.said.clear()
        request = site.compose(Put(record, field, 5))
        assert [s.request for s in site.said if isinstance(s, NotComposed)] == [request]
    answers = site.settle()
    assert [s.request for s in answers if isinstance(s, Composed)] == [first]
    disk.rotten.clear()
    assert site.write(Put(RECORDS[0], "current", 6)).number == 3
    assert site.fields(RECORDS[0]) == {"current": 6}
    assert site.fields(RECORDS[1]) == {"current": 3}


def test_what_a_damaged_row_held_up_goes_on_once_it_is_mended() -> None:
    site, disk = rotten_site()
    row = disk.get(Table.CELLS, KEY)
    disk.rotten[Table.CELLS, KEY] = None
    pen = Pen()
    site.merge(pen.next(put(RECORDS[0], "current", 7)), pen.next(put(RECORDS[0], "x", 8)))
    assert "DamagedRow" in site.fate(pen.head) or site.ledger.lines[pen.writer].applied.number == 0
    disk.rotten.clear()
    site.tell(Mend((Write(Table.CELLS, KEY, row),), "a cell"))
    told = site.settle()
    told += site.settle()
    assert [s.about["reason"] for s in told if isinstance(s, Emit) and s.name == "storage.mended"] == ["a cell"]
    assert site.ledger.lines[pen.writer].applied.number == 2
    assert site.fields(RECORDS[0])["x"] == 8


def test_a_batch_of_the_context_that_is_gone_from_the_log_is_damage_and_no_crash() -> None:
    site, pen = Site("a"), Pen()
    batch = pen.next(put(RECORDS[0], "current", 7))
    site.merge(batch)
    before = site.heads()
    site.disk.write([Write(Table.BATCHES, batch_key(pen.writer, 1), None)])
    told = site.tell(Merge(STRANGER, (batch,)))
    assert [s.name for s in told if isinstance(s, Emit)] == ["storage.damaged"]
    assert site.heads() == before
    assert site.write(Put(RECORDS[0], "current", 9)).number == 1
