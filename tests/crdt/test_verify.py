"""Incremental is refold: what a replica holds is what its log gives, and every other byte is found.

Invariant: a replica that real ledgers made is whole; one with a byte changed in it is not.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import decode_batch, encode_batch, open_batch
from mesh.crdt.compose import Bury, Put
from mesh.crdt.differences import DERIVED
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.crdt.verify import DIFFERENCES_MAX, SLICE_BATCHES, Report, verify_replica
from sim.trust import CheapTrust
from tests.crdt.histories import RECORDS, batches_of, histories
from tests.crdt.site import MESH, Pen, Site, copy_of, exchange, put

laws = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def verified(disk: MemoryReplica) -> Report:
    return verify_replica(disk, MESH, CheapTrust("somebody"))


def busy() -> MemoryReplica:
    """A disk with values, a conflict, a bury, a void batch and a held one."""
    a, b, far = Site("a"), Site("b"), Site("c")
    a.write(Put(RECORDS[0], "current", 1))
    b.write(Put(RECORDS[0], "current", 2), Put(RECORDS[1], "labels.zone", "BTF"))
    exchange((a, b))
    a.write(Bury(RECORDS[1]))
    pen = Pen()
    a.merge(pen.next(put(RECORDS[0], "current", 1), put(RECORDS[0], "current", 2)))
    far.pull(a)
    far.write(Put(RECORDS[1], "current", 3))
    missed = far.write(Put(RECORDS[1], "current", 4))
    b.pull(far)
    b.write(Put(RECORDS[1], "current", 5))
    a.merge(*(batch for batch in b.log() if open_batch(batch, MESH).head != missed))
    assert len(list(a.disk.scan(Table.FATES))) == 2
    return a.disk


@laws
@given(histories)
def test_what_ledgers_made_is_whole(sites: list[Site]) -> None:
    for site in sites:
        report = verified(site.disk)
        assert report.differences == ()
        assert report.fingerprint == site.fingerprint()
        assert report.batches == len(site.log())


@laws
@given(histories, st.data())
def test_a_replica_that_waits_for_batches_is_whole(sites: list[Site], data: st.DataObject) -> None:
    batches = batches_of(sites)
    fresh = Site("fresh")
    for batch in data.draw(st.permutations(batches)):
        if data.draw(st.integers(0, 3)):
            fresh.merge(batch)
    assert verified(fresh.disk).differences == ()


@pytest.mark.parametrize("table", DERIVED)
def test_every_changed_row_is_named(table: Table) -> None:
    disk = busy()
    rng = Random(str(table))
    for key, row in list(disk.scan(table)):
        damaged = copy_of(disk)
        at = rng.randrange(len(row))
        damaged.write([Write(table, key, row[:at] + bytes([row[at] ^ 1 << rng.randrange(8)]) + row[at + 1 :])])
        (found,) = verified(damaged).differences
        assert found.table is table
        assert found.expected != found.found
        damaged.write([Write(table, key, None)])
        (found,) = verified(damaged).differences
        assert (found.table, found.found) == (table, "nothing")


def test_a_cell_that_nobody_wrote_is_named_with_its_record() -> None:
    disk = busy()
    key, row = next(disk.scan(Table.CELLS))
    disk.write([Write(Table.CELLS, key + b"x", row)])
    (found,) = verified(disk).differences
    assert found.expected == "nothing"
    assert str(RECORDS[0]) in found.place
    assert "by a, batch 1" in found.found


def test_a_byte_changed_anywhere_in_the_log_is_found() -> None:
    disk = busy()
    rng = Random(7)
    for key, row in list(disk.scan(Table.BATCHES)):
        for at in rng.sample(range(len(row)), 40):
            damaged = copy_of(disk)
            damaged.write([Write(Table.BATCHES, key, row[:at] + bytes([row[at] ^ 0xFF]) + row[at + 1 :])])
            differences = verified(damaged).differences
            assert differences[0].table is Table.BATCHES
            assert key[:16].hex() in differences[0].place


def test_a_gap_a_missing_certificate_and_a_foreign_signature_are_named() -> None:
    site = Site("a")
    for value in range(3):
        site.write(Put(RECORDS[0], "current", value))
    (first, row), (second, _), _ = site.disk.scan(Table.BATCHES)
    gap = copy_of(site.disk)
    gap.write([Write(Table.BATCHES, second, None)])
    assert "a gap: the next one here is batch 3" in verified(gap).differences[0].found
    bare = copy_of(site.disk)
    bare.write([Write(Table.CERTIFICATES, key, None) for key, _ in site.disk.scan(Table.CERTIFICATES)])
    assert "certificate" in verified(bare).differences[0].found
    forged = copy_of(site.disk)
    batch = decode_batch(row)
    other = encode_batch(type(batch)(batch.content, CheapTrust("b").sign(batch.content)))
    forged.write([Write(Table.BATCHES, first, other)])
    assert "not signed by its writer" in verified(forged).differences[0].found


def test_a_certificate_under_another_name_is_named() -> None:
    disk = busy()
    (key, raw), *_ = disk.scan(Table.CERTIFICATES)
    disk.write([Write(Table.CERTIFICATES, bytes(32), raw)])
    assert [d.table for d in verified(disk).differences] == [Table.CERTIFICATES]
    disk.write([Write(Table.CERTIFICATES, bytes(32), b"nonsense")])
    assert "a certificate of this mesh" in verified(disk).differences[0].expected
    assert key != bytes(32)


def test_a_long_log_tells_how_far_it_is_and_lists_only_the_first_differences() -> None:
    site = Site("a")
    for value in range(SLICE_BATCHES + 1):
        site.write(Put(RECORDS[0], f"field{value}", value))
    told: list[tuple[int, int]] = []
    report = verify_replica(site.disk, MESH, CheapTrust("x"), lambda done, total: told.append((done, total)))
    assert report.is_whole
    assert told == [(SLICE_BATCHES, SLICE_BATCHES + 1), (SLICE_BATCHES + 1, SLICE_BATCHES + 1)]
    row = next(site.disk.scan(Table.CELLS))[1]
    site.disk.write(Write(Table.CELLS, b"a\0b\0%d" % n, row) for n in range(DIFFERENCES_MAX + 5))
    report = verified(site.disk)
    assert (report.found, len(report.differences)) == (DIFFERENCES_MAX + 5, DIFFERENCES_MAX)
