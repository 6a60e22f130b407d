"""What a damaged row has to be follows from its neighbours.

Invariant: what is expected of an undamaged replica is what it holds.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import hash_content
from mesh.crdt.compose import Put
from mesh.crdt.expected import expected_fate, expected_hash, held_well, is_held_well
from mesh.crdt.keys import batch_key
from mesh.crdt.replica import Table, Write
from mesh.ids import NO_BATCH, BatchHash, Head
from tests.crdt.forests import forest
from tests.crdt.histories import RECORDS, histories
from tests.crdt.site import MESH, Pen, Site, exchange, put


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_of_a_whole_replica_every_row_is_what_is_expected(sites: list[Site]) -> None:
    exchange(sites)
    site = sites[0]
    pen = Pen()
    site.merge(pen.next(put(RECORDS[0], "x", 1), put(RECORDS[0], "x", 2)), pen.next(put(RECORDS[0], "x", 1), stamp=0))
    lines = site.ledger.lines
    assert len(list(site.disk.scan(Table.FATES))) == 2
    for head in [Head(w, n, NO_BATCH) for w, line in lines.items() for n in range(1, line.applied.number + 1)]:
        writer, number = head.writer, head.number
        found = expected_hash(site.disk, lines, writer, number)
        assert found is not None
        assert is_held_well(site.disk, writer, number, found)
        fate = site.disk.get(Table.FATES, batch_key(writer, number))
        assert expected_fate(site.disk, lines, MESH, writer, number) == fate


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 24))
def test_branches_of_forked_writers_are_told_apart(seed: int, size: int) -> None:
    site = Site("a")
    for batch in forest(seed, size):
        site.merge(batch)
    lines = site.ledger.lines
    for name, number in [(name, n) for name, line in lines.items() for n in range(line.first, line.have.number + 1)]:
        found = expected_hash(site.disk, lines, name, number)
        assert found is not None
        assert is_held_well(site.disk, name, number, found)
        head = Head(lines[name].have.writer, number, found)
        assert held_well(site.disk, site.ledger.durable, head) == site.disk.get(Table.BATCHES, batch_key(name, number))
        if number <= lines[name].applied.number:
            fate = site.disk.get(Table.FATES, batch_key(name, number))
            assert expected_fate(site.disk, lines, MESH, name, number) == fate


def test_without_its_successor_nothing_is_expected_of_a_batch() -> None:
    site = Site("a")
    head, *_ = (site.write(Put(RECORDS[0], "current", value)) for value in range(3))
    site.disk.write([Write(Table.BATCHES, batch_key(head.writer, 2), None)])
    assert expected_hash(site.disk, site.ledger.lines, head.writer, 1) is None
    assert expected_hash(site.disk, site.ledger.lines, head.writer, 3) is not None
    assert not is_held_well(site.disk, head.writer, 2, BatchHash(bytes(32)))
    assert is_held_well(site.disk, head.writer, 1, hash_content(site.log()[0].content))


def test_nothing_is_expected_of_a_writer_that_is_not_known() -> None:
    site, pen = Site("a"), Pen()
    assert expected_hash(site.disk, site.ledger.lines, pen.writer, 1) is None
    assert expected_fate(site.disk, site.ledger.lines, MESH, pen.writer, 1) is None
