"""Cells made again from the log, whatever happens meanwhile, are the cells that the ledger holds.

Invariant: a replica that ledgers made needs no mending, and one with a wrong cell or bucket is exactly what it was afterwards.
"""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import decode_batch, encode_batch
from mesh.crdt.compose import Put
from mesh.crdt.damage import Damaged
from mesh.crdt.fingerprint import BUCKETS, bucket_of
from mesh.crdt.keys import batch_key, cell_key
from mesh.crdt.refold import STEP_UNITS, Outcome, Refold
from mesh.crdt.replica import Table, Write
from mesh.ids import RecordId
from tests.crdt.forests import forest
from tests.crdt.histories import FIELDS, RECORDS, histories
from tests.crdt.site import MESH, Pen, Site, exchange, put

ALL = tuple(range(BUCKETS))
CLEAN = Outcome((), (), complete=True)

laws = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def walked(site: Site, walk: Refold) -> Outcome:
    while True:
        with site.ledger.read() as reader:
            if (outcome := walk.step(reader, site.ledger.lines)) is not None:
                return outcome


def refolded(site: Site) -> Outcome:
    return walked(site, Refold(MESH, ALL))


@laws
@given(histories)
def test_what_ledgers_made_needs_no_mending(sites: list[Site]) -> None:
    for site in sites:
        assert refolded(site) == CLEAN
    exchange(sites)
    assert refolded(sites[0]) == CLEAN


@laws
@given(histories, st.randoms(use_true_random=False))
def test_a_wrong_cell_and_a_wrong_bucket_are_put_right(sites: list[Site], chance: Random) -> None:
    exchange(sites)
    site = sites[0]
    before = site.tables()
    spoil(site, chance)
    outcome = refolded(site)
    assert outcome.complete
    site.disk.write(outcome.writes)
    assert site.tables() == before


def spoil(site: Site, chance: Random) -> None:
    """Change, take away or add cells and buckets, all of them readable."""
    rows = [(Table.CELLS, *row) for row in site.disk.scan(Table.CELLS)]
    rows += [(Table.BUCKETS, *row) for row in site.disk.scan(Table.BUCKETS) if any(row[1])]
    for table, key, row in chance.sample(rows, min(3, len(rows))):
        value = None if chance.random() < 0.5 else chance.choice([other for t, _, other in rows if t is table])
        site.disk.write([Write(table, key, value if value != row else None)])
    site.disk.write([Write(Table.CELLS, cell_key(RecordId("unit", "a ghost"), "current"), rows[0][2])] if rows else [])


@laws
@given(st.integers(0, 2**32), st.integers(1, 24), st.randoms(use_true_random=False))
def test_the_branches_of_a_forked_writer_are_told_apart(seed: int, size: int, chance: Random) -> None:
    site = Site("a")
    for batch in forest(seed, size):
        site.merge(batch)
    assert refolded(site) == CLEAN
    before = site.tables()
    spoil(site, chance)
    outcome = refolded(site)
    assert outcome.complete
    site.disk.write(outcome.writes)
    assert site.tables() == before


@laws
@given(histories, st.integers(0, 12), st.data())
def test_what_is_written_meanwhile_is_neither_missed_nor_taken_for_damage(
    sites: list[Site], steps: int, data: st.DataObject
) -> None:
    site, walk = sites[0], Refold(MESH, ALL)
    for _ in range(steps):
        with site.ledger.read() as reader:
            outcome = walk.step(reader, site.ledger.lines)
        if outcome is not None:
            assert outcome == CLEAN
            walk = Refold(MESH, ALL)
        if data.draw(st.booleans()):
            site.compose(Put(data.draw(st.sampled_from(RECORDS)), data.draw(st.sampled_from(FIELDS)), 7))
        if data.draw(st.booleans()):
            site.settle()
        if data.draw(st.booleans()):
            site.pull(sites[1])
    assert walked(site, walk) == CLEAN


def test_only_the_wanted_buckets_are_touched() -> None:
    site = Site("a")
    site.write(*(Put(RecordId("unit", f"U{n}"), "x", n) for n in range(40)))
    keys = [key for key, _ in site.disk.scan(Table.CELLS)]
    site.disk.write([Write(Table.CELLS, key, None) for key in keys])
    wanted = bucket_of(keys[0])
    outcome = walked(site, Refold(MESH, (wanted,)))
    assert [write.key for write in outcome.writes] == [key for key in keys if bucket_of(key) == wanted]


def test_a_batch_that_is_missing_or_another_is_named_and_no_cell_is_changed() -> None:
    for number in (1, 2, 3):
        for spoilt in (None, b"nonsense", b"another"):
            site = Site("a")
            heads = [site.write(Put(RECORDS[0], "current", value)) for value in range(3)]
            key = batch_key(heads[0].writer, number)
            site.disk.write([Write(Table.BATCHES, key, spoilt if spoilt != b"another" else _other(site, key))])
            outcome = refolded(site)
            assert (outcome.damaged, outcome.writes, outcome.complete) == ((Damaged(Table.BATCHES, key),), (), False)


def _other(site: Site, key: bytes) -> bytes:
    """The batch of that key with one byte of its value changed: readable, and not what was signed."""
    batch = decode_batch(site.disk.get(Table.BATCHES, key) or b"")
    content = batch.content.replace(b"current", b"currant")
    assert content != batch.content
    return encode_batch(type(batch)(content, batch.signature))


def test_a_held_batch_that_is_missing_is_named() -> None:
    site, pen = Site("a"), Pen()
    pen.next(put(RECORDS[0], "current", 1))
    other = Pen("b")
    lost = other.next(put(RECORDS[0], "current", 2), after=(pen.head,))
    site.merge(lost)
    assert refolded(site) == CLEAN
    key = batch_key(other.head.writer, 1)
    site.disk.write([Write(Table.BATCHES, key, None)])
    assert refolded(site).damaged == (Damaged(Table.BATCHES, key),)


def test_a_step_is_small_however_large_the_log() -> None:
    site = Site("a")
    for value in range(5 * STEP_UNITS):
        site.write(Put(RECORDS[0], "current", value))
    walk, steps = Refold(MESH, ALL), 1
    with site.ledger.read() as reader:
        while walk.step(reader, site.ledger.lines) is None:
            steps += 1
    assert steps >= 10
