"""The scrub comes round in its time, and at once where something is in doubt.

Invariant: it is never due more often than its pause, and it mends nothing that it could not read the log for.
"""

from mesh.config import StorageConfig
from mesh.crdt.compose import Put
from mesh.crdt.damage import Damaged, Mend, Suspect
from mesh.crdt.effects import Emit
from mesh.crdt.fingerprint import BUCKETS, bucket_of
from mesh.crdt.keys import batch_key, cell_key
from mesh.crdt.replica import Table, Write
from mesh.crdt.scrub import GROUP_BUCKETS, RETRY_S, Due, Scrub, ScrubSays
from tests.crdt.histories import RECORDS
from tests.crdt.site import NOON, Site

CONFIG = StorageConfig()
ROUNDS = BUCKETS // GROUP_BUCKETS
KEY = cell_key(RECORDS[0], "current")


def scrubbed() -> tuple[Site, Scrub]:
    site = Site("a")
    site.write(Put(RECORDS[0], "current", 1))
    site.write(Put(RECORDS[0], "current", 2), Put(RECORDS[1], "current", 3))
    return site, Scrub(site.ledger, CONFIG, NOON)


def run(scrub: Scrub, until: float) -> list[ScrubSays]:
    """Tick at every deadline until that moment."""
    said: list[ScrubSays] = []
    last = 0.0
    while (at := scrub.deadline()) <= until:
        assert at >= last
        last = at
        said += scrub.handle(Due(), at)
    return said


def test_a_whole_replica_is_read_in_its_time_and_nothing_is_said() -> None:
    _, scrub = scrubbed()
    assert run(scrub, NOON + CONFIG.scrub_interval_s - 1) == []
    assert scrub.walks == 0
    assert run(scrub, NOON + ROUNDS * CONFIG.scrub_interval_s + 60) == []
    assert scrub.walks == ROUNDS


def test_a_flipped_cell_is_mended_within_one_turn_and_named() -> None:
    site, scrub = scrubbed()
    before = site.tables()
    other = site.disk.get(Table.CELLS, cell_key(RECORDS[1], "current"))
    site.disk.write([Write(Table.CELLS, KEY, other)])
    said = run(scrub, NOON + ROUNDS * CONFIG.scrub_interval_s + 60)
    assert len(said) == 1
    mend = said[0]
    assert isinstance(mend, Mend)
    assert str(RECORDS[0]) in mend.about
    site.tell(mend)
    told = site.settle()
    assert [effect.name for effect in told if isinstance(effect, Emit)] == ["storage.mended"]
    assert site.tables() == before


def test_what_is_in_doubt_is_walked_at_once() -> None:
    site, scrub = scrubbed()
    site.disk.write([Write(Table.CELLS, KEY, None)])
    assert scrub.handle(Suspect((bucket_of(KEY),)), NOON + 5) == []
    assert scrub.deadline() == NOON + 5
    said = run(scrub, NOON + 60)
    assert [type(one) for one in said] == [Mend]
    assert scrub.deadline() == NOON + CONFIG.scrub_interval_s


def test_while_the_log_is_damaged_no_cell_is_changed_and_the_walk_comes_again() -> None:
    site, scrub = scrubbed()
    first = batch_key(site.ledger.writer, 1)
    row = site.disk.get(Table.BATCHES, first)
    site.disk.write([Write(Table.BATCHES, first, None), Write(Table.CELLS, KEY, None)])
    scrub.handle(Suspect((bucket_of(KEY),)), NOON)
    assert run(scrub, NOON + RETRY_S / 2) == [Damaged(Table.BATCHES, first)]
    site.disk.write([Write(Table.BATCHES, first, row)])
    assert [type(one) for one in run(scrub, NOON + 2 * RETRY_S)] == [Mend]
