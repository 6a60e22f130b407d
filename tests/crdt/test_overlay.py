"""Reading through the overlay is reading the replica as it will be.

Invariant: whatever was put, the overlay's reader and the replica after storing give the same answers.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.overlay import Overlay
from mesh.crdt.replica import MemoryReplica, Reader, Table, Write
from tests.crdt.site import copy_of

keys = st.text("ab", min_size=1, max_size=3).map(str.encode)
prefixes = st.text("ab", max_size=2).map(str.encode)
writes = st.builds(Write, st.sampled_from((Table.CELLS, Table.META)), keys, st.none() | st.binary(max_size=2))
tickets = st.lists(st.lists(writes, min_size=1, max_size=6), max_size=4)


def seen(reader: Reader, prefix: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    return list(reader.scan(Table.CELLS, prefix, after))


@given(st.lists(writes, max_size=6), tickets, st.integers(0, 4), prefixes, prefixes)
@settings(max_examples=300)
def test_the_overlay_reads_as_the_replica_after_storing(
    before: list[Write], tickets: list[list[Write]], stored: int, prefix: bytes, after: bytes
) -> None:
    disk = MemoryReplica()
    disk.write(before)
    overlay, expected = Overlay(disk), copy_of(disk)
    for ticket, row in enumerate(tickets):
        for write in row:
            overlay.put(ticket, write)
        expected.write(row)
    for ticket in range(min(stored, len(tickets))):
        disk.write(overlay.writes(ticket))
        overlay.stored(ticket)
    with overlay.read() as reader:
        assert seen(reader, prefix, after) == seen(expected, prefix, after)
        written = sorted({write.key for write in [*before, *(write for row in tickets for write in row)]})
        assert [reader.get(Table.CELLS, key) for key in written] == [expected.get(Table.CELLS, key) for key in written]
        assert reader.find(Table.CELLS, written) == expected.find(Table.CELLS, written)


@given(st.lists(writes, max_size=6), tickets)
def test_a_drop_leaves_what_is_on_disk(before: list[Write], tickets: list[list[Write]]) -> None:
    disk = MemoryReplica()
    disk.write(before)
    overlay = Overlay(disk)
    for ticket, row in enumerate(tickets):
        for write in row:
            overlay.put(ticket, write)
    overlay.drop()
    assert overlay.tickets == []
    with overlay.read() as reader:
        assert seen(reader, b"", b"") == seen(disk, b"", b"")


def test_an_older_ticket_stored_does_not_uncover_a_newer_one() -> None:
    disk = MemoryReplica()
    overlay = Overlay(disk)
    overlay.put(1, Write(Table.META, b"key", b"old"))
    overlay.put(2, Write(Table.META, b"key", b"new"))
    disk.write(overlay.writes(1))
    overlay.stored(1)
    with overlay.read() as reader:
        assert reader.get(Table.META, b"key") == b"new"
    assert overlay.tickets == [2]


def test_one_ticket_writes_each_key_once() -> None:
    overlay = Overlay(MemoryReplica())
    overlay.put(1, Write(Table.META, b"key", b"old"))
    overlay.put(1, Write(Table.META, b"key", None))
    assert list(overlay.writes(1)) == [Write(Table.META, b"key", None)]
    assert not overlay.writes(2)


def test_readers_within_one_another_see_the_same_and_the_next_one_sees_anew() -> None:
    disk = MemoryReplica()
    overlay = Overlay(disk)
    with overlay.read() as outer:
        with overlay.read() as inner:
            assert inner is outer
        overlay.put(1, Write(Table.CELLS, b"a", b"1"))
        assert outer.get(Table.CELLS, b"a") == b"1"
    with overlay.read() as later:
        assert later is not outer
        with pytest.raises(AssertionError, match="after its `with`"):
            outer.get(Table.CELLS, b"b")
        assert later.get(Table.CELLS, b"a") == b"1"
