"""The checks can fail: each promise is broken once by hand.

Invariant: a mesh is taken that passes everything, and one thing is spoilt.
"""

import pytest

from mesh.crdt.keys import batch_key
from mesh.crdt.replica import Table, Write
from sim.checks import Inspector, deep_differences, differences, fates_of
from sim.node import Node
from tests.sim.mesh import Listening, scenario


@pytest.fixture
def quiet() -> Listening:
    listening = Listening(scenario())
    listening.world.run(40)
    assert differences(listening.nodes) == []
    assert fates_of(listening.nodes, listening.mesh.metrics.journal).broken == []
    return listening


def drop_first_write(quiet: Listening, nodes: list[Node]) -> None:
    _, head = quiet.mesh.metrics.journal.acknowledged()[0]
    for node in nodes:
        node.disk.replica.write([Write(Table.BATCHES, batch_key(head.writer, head.number), None)])


def test_a_batch_that_vanished_from_a_disk_is_a_broken_promise(quiet: Listening) -> None:
    drop_first_write(quiet, quiet.nodes[2:3])
    [broken] = fates_of(quiet.nodes, quiet.mesh.metrics.journal).broken
    assert broken.endswith("was durable and is gone, without a lost disk, at n0002")


def test_a_write_that_a_live_peer_lacks_is_a_broken_promise(quiet: Listening) -> None:
    quiet.mesh.metrics.journal.forget(
        2
    )  # It has lost its disk, so it may have forgotten, but it must have learnt again.
    drop_first_write(quiet, quiet.nodes[2:3])
    [broken] = fates_of(quiet.nodes, quiet.mesh.metrics.journal).broken
    assert broken.endswith("is missing at n0002")


def test_a_write_is_unreplicated_only_if_all_its_holders_lost_their_disks(quiet: Listening) -> None:
    drop_first_write(quiet, quiet.nodes)
    for node in quiet.nodes[:3]:
        quiet.mesh.metrics.journal.forget(node.index)
    fates = fates_of(quiet.nodes, quiet.mesh.metrics.journal)
    assert (len(fates.broken), fates.unreplicated) == (1, 0)
    quiet.mesh.metrics.journal.forget(3)
    fates = fates_of(quiet.nodes, quiet.mesh.metrics.journal)
    assert (fates.broken, fates.unreplicated) == ([], 1)


def test_a_write_is_stranded_while_all_its_holders_are_down(quiet: Listening) -> None:
    for node in quiet.nodes[:3]:
        quiet.mesh.metrics.journal.forget(node.index)
    drop_first_write(quiet, quiet.nodes[:3])
    quiet.nodes[3].crash(silent=True, lost_disk=False)
    fates = fates_of(quiet.nodes, quiet.mesh.metrics.journal)
    assert (fates.broken, fates.stranded) == ([], 1)


def test_a_changed_bucket_makes_fingerprints_differ(quiet: Listening) -> None:
    quiet.nodes[1].disk.replica.write([Write(Table.BUCKETS, b"\x00", b"\x01" * 32)])
    [difference] = differences(quiet.nodes)
    assert difference.startswith("fingerprints differ: ")
    assert difference.endswith(" at n0001")


def test_a_ghost_and_a_missing_member_are_named(quiet: Listening) -> None:
    quiet.nodes[3].crash(silent=True, lost_disk=False)
    assert "n0000 holds alive what is not: n0003" in differences(quiet.nodes)
    quiet.world.run(80)
    assert differences(quiet.nodes) == []
    quiet.nodes[3].start()
    assert "n0000 does not hold alive what is: n0003" in differences(quiet.nodes)


def test_an_inspector_checks_every_so_many_events(quiet: Listening) -> None:
    class Broken:
        checked = 0

        def check(self) -> None:
            self.checked += 1

    peer, inspect = Broken(), Inspector(3)
    for _ in range(10):
        inspect(peer)  # type: ignore[arg-type]
    assert peer.checked == 3


def test_rows_that_differ_under_equal_digests_are_found(quiet: Listening) -> None:
    journal = quiet.mesh.metrics.journal
    assert deep_differences(quiet.nodes, journal) == []
    replica = quiet.nodes[1].disk.replica
    key, _ = next(iter(replica.scan(Table.CELLS)))
    replica.write([Write(Table.CELLS, key, None)])
    assert differences(quiet.nodes) == []
    found = deep_differences(quiet.nodes, journal)
    assert found[0].startswith("views differ under equal digests: ")
    assert found[0].endswith(" at n0001")
    assert any(said.startswith("n0001: ") and "which nothing in its log replaces" in said for said in found)


def test_a_batch_that_is_void_at_one_peer_alone_is_found(quiet: Listening) -> None:
    _, head = quiet.mesh.metrics.journal.acknowledged()[0]
    fate = Write(Table.FATES, batch_key(head.writer, head.number), b"void: so it says")
    quiet.nodes[1].disk.replica.write([fate])
    found = deep_differences(quiet.nodes, quiet.mesh.metrics.journal)
    assert any(said.startswith("void batches differ under equal digests: ") for said in found)
    for node in quiet.nodes:
        node.disk.replica.write([fate])
    found = deep_differences(quiet.nodes, quiet.mesh.metrics.journal)
    assert not any(said.startswith("void batches") for said in found)
