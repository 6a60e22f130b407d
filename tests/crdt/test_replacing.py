"""What would be gained and lost is counted from where two logs part."""

from mesh.crdt.compose import Put
from mesh.crdt.replacing import Balance, balances
from mesh.crdt.replica import MemoryReplica
from tests.crdt.histories import RECORDS
from tests.crdt.site import MESH, Pen, Site, copy_of, put


def test_nothing_is_gained_or_lost_between_equals() -> None:
    site = Site("a")
    site.write(Put(RECORDS[0], "current", 1))
    assert balances(site.disk, copy_of(site.disk), MESH) == []


def test_a_shorter_log_loses_what_came_after_it() -> None:
    site = Site("a")
    site.write(Put(RECORDS[0], "current", 1))
    backup = copy_of(site.disk)
    site.write(Put(RECORDS[0], "current", 2), Put(RECORDS[1], "current", 2))
    site.write(Put(RECORDS[1], "current", 3))
    writer = site.ledger.writer.hex()
    assert balances(site.disk, backup, MESH) == [Balance(writer, 1, 0, 2, 0, 2)]
    assert balances(backup, site.disk, MESH) == [Balance(writer, 1, 2, 0, 2, 0)]
    assert balances(MemoryReplica(), site.disk, MESH) == [Balance(writer, 0, 3, 0, 2, 0)]


def test_logs_that_part_are_counted_on_both_sides() -> None:
    here, there = Site("a"), Site("b")
    one, other = Pen(), Pen()
    common = [one.next(put(RECORDS[0], "current", n)) for n in range(5)]
    for n in range(5):
        other.next(put(RECORDS[0], "current", n))
    here.merge(*common, one.next(put(RECORDS[0], "current", 10)), one.next(put(RECORDS[0], "current", 11)))
    there.merge(*common, other.next(put(RECORDS[1], "current", 12)))
    assert balances(here.disk, there.disk, MESH) == [Balance(one.writer.hex(), 5, 1, 2, 1, 1)]
