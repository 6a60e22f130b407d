"""What an end touches is found a row at a time, and what was found is not believed once the log says otherwise."""

from random import Random

from hypothesis import HealthCheck, given, settings

from mesh.crdt.branches import Tree
from mesh.crdt.cell import decode_cell
from mesh.crdt.ends import End, open_end
from mesh.crdt.keys import batch_key, cell_key
from mesh.crdt.looking import Look, Sight, read_cells
from mesh.crdt.replica import Table, Write
from mesh.ids import RecordId
from tests.crdt.admin import ADMIN, end_of
from tests.crdt.forests import forest
from tests.crdt.site import MESH, Pen, Site, put
from tests.crdt.test_branches import delivered, seeds, sizes

laws = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
RECORD, OTHER = RecordId("unit", "A"), RecordId("unit", "B")
CELL = cell_key(RECORD, "current")


def sight(site: Site) -> Sight:
    durable = site.ledger.durable
    return Sight(MESH, site.disk, Tree(site.disk, durable), durable)


def end_of_all(pen: Pen) -> End:
    return open_end(end_of(pen.writer), MESH, ADMIN)


@laws
@given(seeds, sizes)
def test_cells_read_from_the_log_are_the_cells_that_are_shown(seed: int, size: int) -> None:
    site = delivered(forest(seed, size), Random(seed))
    rows = dict(site.disk.scan(Table.CELLS))
    found = read_cells(sight(site), dict.fromkeys(rows))
    assert {key: cell.live(site.ledger.durable.lines) for key, cell in found.items() if key in rows} == {
        key: decode_cell(row) for key, row in rows.items()
    }


def looked(site: Site, pen: Pen) -> tuple[Look, int]:
    """A look that has seen everything a row at a time, and how many steps that took."""
    look, steps = Look(end_of_all(pen)), 0
    while look.step(sight(site), 1) <= 0:
        steps += 1
    return look, steps


def test_a_step_reads_a_row_and_the_whole_is_each_row_once() -> None:
    thief, other, site = Pen("x"), Pen("b"), Site("a")
    site.merge(other.next(put(RECORD, "current", 1)), *(other.next(put(OTHER, "current", n)) for n in range(9)))
    site.merge(thief.next(put(RECORD, "current", 2)), thief.next())
    look, steps = looked(site, thief)
    assert steps == 2 + 10  # What is taken, then the rest.
    found = look.finish(sight(site), {CELL: None})
    assert found is not None
    assert b"\x01" in [one.value for one in found[CELL].live(site.ledger.durable.lines)]


def test_what_came_since_counts_and_what_was_not_looked_for_is_not_answered() -> None:
    thief, other, site = Pen("x"), Pen("b"), Site("a")
    site.merge(thief.next(put(RECORD, "current", 2)))
    look, _ = looked(site, thief)
    site.merge(other.next(put(RECORD, "current", 3)))
    found = look.finish(sight(site), {CELL: None})
    assert found is not None
    assert {one.value for one in found[CELL].live(site.ledger.durable.lines)} >= {b"\x03"}
    assert look.finish(sight(site), {cell_key(OTHER, "current"): None}) is None


def test_a_fate_that_has_changed_since_makes_it_worthless() -> None:
    thief, other, site = Pen("x"), Pen("b"), Site("a")
    site.merge(other.next(put(RECORD, "current", 1)), thief.next(put(RECORD, "current", 2)))
    look, _ = looked(site, thief)
    fate = Write(Table.FATES, batch_key(other.writer, 1), b"void: a test")
    site.disk.write([fate])
    assert look.finish(sight(site), {CELL: None}) is None
    again, _ = looked(site, thief)
    assert again.finish(sight(site), {CELL: None}) is not None
    site.disk.write([Write(Table.FATES, fate.key, None)])
    assert again.finish(sight(site), {CELL: None}) is None
