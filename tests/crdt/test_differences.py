"""What differs between two replicas is said in words, whatever the bytes are."""

from mesh.crdt.compose import Bury, Put
from mesh.crdt.differences import DERIVED, compare
from mesh.crdt.replica import MemoryReplica, Table, Write
from tests.crdt.histories import RECORDS
from tests.crdt.site import Site


def test_equal_replicas_do_not_differ() -> None:
    site = Site("a")
    site.write(Put(RECORDS[0], "current", 1))
    assert [d for table in DERIVED for d in compare(table, site.disk, site.disk)] == []


def test_each_side_alone_and_both_in_conflict_are_told_in_order() -> None:
    one, other = Site("a"), Site("b")
    one.write(Put(RECORDS[0], "current", 1), Put(RECORDS[0], "both", 1))
    other.write(Put(RECORDS[0], "both", 2), Bury(RECORDS[0]))
    said = list(compare(Table.CELLS, one.disk, other.disk))
    assert [(d.place.removeprefix(str(RECORDS[0])), d.expected[:9], d.found[:9]) for d in said] == [
        (" (buries)", "nothing", "bury by b"),
        (" field both", "1 by a, b", "2 by b, b"),
        (" field current", "1 by a, b", "nothing"),
    ]


def test_bytes_that_cannot_be_read_are_still_told() -> None:
    wanted, found = MemoryReplica(), MemoryReplica()
    for table in DERIVED:
        found.write([Write(table, b"\xff", b"\xff" * 300)])
        (said,) = compare(table, wanted, found)
        assert said.expected == "nothing"
        assert len(str(said)) < 400


def test_rows_that_read_alike_show_their_bytes() -> None:
    wanted, found = MemoryReplica(), MemoryReplica()
    wanted.write([Write(Table.CELLS, b"a\0b\0c", b"\x90")])
    found.write([Write(Table.CELLS, b"a\0b\0c", b"\xdc\x00\x00")])
    (said,) = compare(Table.CELLS, wanted, found)
    assert (said.expected, said.found) == (" as 90", " as dc0000")
