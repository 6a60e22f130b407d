"""Nobody signs a batch over a cell that holds another cell's change: it would have effect at its author and nowhere else."""

import pytest

from mesh.config import StorageConfig
from mesh.crdt.branches import Tree
from mesh.crdt.compose import Bury, Edit, Put, Restore, changes_of
from mesh.crdt.damage import Damaged, Mend, Suspect
from mesh.crdt.effects import NotComposed
from mesh.crdt.events import Compose, ComposeTogether
from mesh.crdt.fingerprint import bucket_of
from mesh.crdt.keys import batch_key, cell_key
from mesh.crdt.replica import Table, Write
from mesh.crdt.scrub import Due, Scrub
from mesh.crdt.strays import stray_cells
from mesh.errors import DamagedRow
from tests.crdt.histories import RECORDS
from tests.crdt.site import NOON, Site, cloned

ONE, OTHER = RECORDS[0], RECORDS[1]
KEY = cell_key(ONE, "current")


def spoilt_site() -> Site:
    """Two records, and then one of them shows what was written to the other."""
    site = Site("a")
    site.write(Put(ONE, "current", 1), Put(ONE, "phase", 2))
    site.write(Put(OTHER, "current", 3))
    spoil(site)
    return site


def spoil(site: Site) -> None:
    site.disk.write([Write(Table.CELLS, KEY, site.disk.get(Table.CELLS, cell_key(OTHER, "current")))])


def strays(site: Site, *edits: Edit) -> list[bytes]:
    with site.ledger.read() as reader:
        return stray_cells(reader, Tree(reader, site.ledger.durable), changes_of(reader, edits))


@pytest.mark.parametrize("edit", [Put(ONE, "current", 4), Bury(ONE)])
def test_a_write_over_it_is_refused_until_the_cell_is_made_again_from_the_log(edit: Edit) -> None:
    site = spoilt_site()
    request = site.compose(edit)
    assert [(s.request, type(s.error)) for s in site.said if isinstance(s, NotComposed)] == [(request, DamagedRow)]
    assert [s for s in site.said if isinstance(s, Damaged)] == [Damaged(Table.CELLS, KEY)]
    assert site.heads() == {site.ledger.writer: 2}
    mend(site)
    assert site.fields(ONE) == {"current": 1, "phase": 2}
    other = Site("b")
    site.write(edit)
    other.pull(site)
    assert other.fates() == {}
    assert other.tables() == site.tables()


def mend(site: Site) -> None:
    scrub = Scrub(site.ledger, StorageConfig(), NOON)
    scrub.handle(Suspect((bucket_of(KEY),)), NOON)
    said = next(said for step in range(99) if (said := scrub.handle(Due(), NOON + step)))
    for one in said:
        assert isinstance(one, Mend)
        site.tell(one)
    site.settle()


def test_writes_that_share_a_batch_with_it_are_refused_with_it() -> None:
    site = spoilt_site()
    site.said.clear()
    writes = tuple(Compose(number, (Put(ONE, field, 4),), "ada") for number, field in enumerate(("phase", "current")))
    site.tell(ComposeTogether(writes))
    assert site.answers() == [(0, False), (1, False)]


def test_what_is_as_the_log_says_is_never_a_stray() -> None:
    site = Site("a")
    site.write(Put(ONE, "current", 1), Put(ONE, "phase", 2))
    site.write(Put(ONE, "current", 2), Put(OTHER, "current", 3))
    site.write(Bury(OTHER))
    assert strays(site, Put(ONE, "current", 4), Bury(ONE), Restore(OTHER), Put(OTHER, "new", 1)) == []


def test_a_change_of_another_field_of_the_record_is_one_for_a_bury_too() -> None:
    site = spoilt_site()
    site.disk.write([Write(Table.CELLS, KEY, site.disk.get(Table.CELLS, cell_key(ONE, "phase")))])
    assert strays(site, Bury(ONE)) == [KEY]


def test_while_the_log_cannot_be_read_nothing_is_said_of_the_cells() -> None:
    site = spoilt_site()
    for row in (None, b"\xc1"):
        site.disk.write([Write(Table.BATCHES, batch_key(site.ledger.writer, 2), row)])
        assert strays(site, Put(ONE, "current", 4)) == []


def test_of_a_writer_that_forked_the_branch_is_looked_at_on_which_the_change_is() -> None:
    site = Site("a")
    site.write(Put(ONE, "current", 1))
    copy = cloned(site, "copy")
    site.write(Put(ONE, "phase", 2))
    copy.write(Put(OTHER, "current", 3))
    other = Site("b")
    other.pull(site)
    other.pull(copy)
    edits = (Put(ONE, "phase", 4), Put(OTHER, "current", 5), Put(ONE, "current", 6))
    assert other.ledger.durable.branches
    assert strays(other, *edits) == []
    spoil(other)
    assert strays(other, *edits) == [KEY]
