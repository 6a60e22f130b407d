"""The simulated disks keep what they confirmed, and the contract of all replicas.

Invariant: a power cut forgets exactly what was not confirmed (the ledger's disk) or not synced yet (the soft one).
"""

from collections.abc import Iterator
from random import Random

from mesh.crdt.replica import Table, Write
from sim.disk import LedgerDisk, SoftDisk, copy_of
from sim.scenario import DiskModel
from sim.world import World
from tests.crdt.replica_contract import ReplicaContract, WritableReplica

MODEL = DiskModel(store_s=1.0, store_jitter_s=0.0, lazy_s=2.0)


def row(key: bytes, value: bytes = b"v") -> Write:
    return Write(Table.META, key, value)


def ledger_disk() -> tuple[World, LedgerDisk]:
    world = World()
    return world, LedgerDisk(world, MODEL, Random(1))


class TestSimulatedDisk(ReplicaContract):
    def made(self) -> Iterator[WritableReplica]:
        yield ledger_disk()[1].replica


def test_a_ticket_that_comes_during_a_commit_waits_for_the_next() -> None:
    world, disk = ledger_disk()
    done: list[tuple[int, float]] = []
    for ticket in (1, 2):
        disk.store(ticket, (row(bytes([ticket])),), lambda ticket: done.append((ticket, world.now)))
    world.run(10)
    assert done == [(1, 1.0), (2, 2.0)]
    assert disk.replica.get(Table.META, b"\x02") == b"v"


def test_a_power_cut_forgets_what_was_not_confirmed_and_nothing_else() -> None:
    world, disk = ledger_disk()
    done: list[int] = []
    for ticket in (1, 2):
        disk.store(ticket, (row(bytes([ticket])),), done.append)
    world.run(1.5)
    disk.cut_power()
    world.run(10)
    assert done == [1]
    assert disk.replica.get(Table.META, b"\x01") == b"v"
    assert disk.replica.get(Table.META, b"\x02") is None


def test_a_lost_disk_is_empty_and_works() -> None:
    world, disk = ledger_disk()
    done: list[int] = []
    disk.store(1, (row(b"a"),), done.append)
    world.run(5)
    disk.lose()
    disk.store(2, (row(b"b"),), done.append)
    world.run(10)
    assert (disk.replica.get(Table.META, b"a"), disk.replica.get(Table.META, b"b")) == (None, b"v")


def test_a_lying_disk_confirms_what_it_throws_away() -> None:
    world, disk = ledger_disk()
    done: list[int] = []
    disk.lying = True
    disk.store(1, (row(b"a"),), done.append)
    world.run(5)
    assert done == [1]
    assert disk.replica.get(Table.META, b"a") is None


def test_the_soft_disk_goes_back_to_what_was_synced() -> None:
    world = World()
    disk = SoftDisk(world, MODEL)
    for second, value in enumerate((b"0", b"1", b"2", b"3")):
        world.run(second)
        disk.write((row(b"a", value), row(b"new at " + value)))
    world.run(3.5)
    disk.cut_power()
    assert disk.read_row(Table.META, b"a") == b"1"
    assert disk.read_row(Table.META, b"new at 1") == b"v"
    assert disk.read_row(Table.META, b"new at 2") is None


def test_what_the_soft_disk_wrote_now_is_there_after_a_power_cut() -> None:
    disk = SoftDisk(World(), MODEL)
    disk.write((row(b"a"),))
    disk.write_now((row(b"b"),))
    disk.cut_power()
    assert (disk.read_row(Table.META, b"a"), disk.read_row(Table.META, b"b")) == (b"v", b"v")


def test_tickets_that_come_during_a_commit_share_the_next_one() -> None:
    world, disk = ledger_disk()
    done: list[tuple[int, float]] = []
    for ticket in (1, 2, 3):
        disk.store(ticket, (row(bytes([ticket])),), lambda ticket: done.append((ticket, world.now)))
    world.run(10)
    assert done == [(1, 1.0), (2, 2.0), (3, 2.0)]


def test_a_full_disk_fails_what_it_has_and_what_was_asked_before_that_was_heard() -> None:
    world, disk = ledger_disk()
    said: list[str] = []

    def failed(ticket: int, reason: str) -> None:
        said.append(f"failed {ticket}")
        if ticket == 1:
            disk.store(3, (row(b"c"),), lambda ticket: said.append(f"done {ticket}"), failed)
            disk.full = False

    disk.full = True
    for ticket in (1, 2):
        disk.store(ticket, (row(bytes([ticket])),), lambda ticket: said.append(f"done {ticket}"), failed)
    world.run(10)
    assert said == ["failed 1", "failed 2", "done 3"]
    assert [disk.replica.get(Table.META, key) for key in (b"\x01", b"\x02", b"c")] == [None, None, b"v"]


def test_a_copy_is_another_disk_with_the_same_rows() -> None:
    world, disk = ledger_disk()
    disk.store(1, (row(b"a"),), lambda _: None)
    world.run(5)
    snapshot = copy_of(disk.replica)
    disk.store(2, (row(b"a", b"new"), row(b"b")), lambda _: None)
    world.run(10)
    assert (snapshot.get(Table.META, b"a"), snapshot.get(Table.META, b"b")) == (b"v", None)
    disk.restore(snapshot)
    assert (disk.replica.get(Table.META, b"a"), disk.replica.get(Table.META, b"b")) == (b"v", None)
