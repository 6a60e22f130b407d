"""In small worlds every order of arrival is tried, and all of them end the same, byte by byte."""

from collections.abc import Callable

import pytest

from mesh.crdt.cell import decode_cell
from mesh.crdt.keys import split_cell_key
from mesh.crdt.replica import Table
from mesh.crdt.verify import verify_replica
from sim.trust import CheapTrust
from tests.crdt.explorer import BATCHES_EACH, RECORDS, Chains, chains, explore, forked_world, living, restarted, world
from tests.crdt.site import MESH, Pen, Site, live_dots, put

WORLDS = range(5)


def means_what_it_says(site: Site) -> None:
    """The cells are what the definition makes of the applied batches, and the tables what a refold makes of the log."""
    rows = site.disk.scan(Table.CELLS)
    cells = {split_cell_key(key): sorted(s.dot for s in decode_cell(row)) for key, row in rows}
    assert cells == live_dots(site.applied(), site.log())
    assert verify_replica(site.disk, MESH, CheapTrust("x")).differences == ()


@pytest.mark.parametrize("branch", [living, restarted])
@pytest.mark.parametrize("seed", WORLDS)
def test_every_order_of_arrival_ends_the_same(seed: int, branch: Callable[[Site], Site]) -> None:
    given = world(seed)
    last, tried = explore(given, branch, means_what_it_says)
    assert tried == 3 * BATCHES_EACH * (BATCHES_EACH + 1) ** 2
    assert len(last.log()) == len(last.applied()) == 3 * BATCHES_EACH
    assert not list(last.disk.scan(Table.FATES))


@pytest.mark.parametrize("branch", [living, restarted])
@pytest.mark.parametrize("seed", [1, 4])
def test_two_branches_of_one_writer_end_the_same_in_every_order(seed: int, branch: Callable[[Site], Site]) -> None:
    given = forked_world(seed)
    last, tried = explore(given, branch, means_what_it_says, Site.sight)
    assert tried == 3 * 3 * 4**2
    assert len(last.log()) == len(last.applied()) == 9
    assert [len(lines) for lines in last.ledger.durable.branches.values()] == [1]
    assert last.fates() == {}


def spoiled() -> Chains:
    """Two honest batches of a writer around a void one, and a writer that depends on all of them and replaces a void dot."""
    careless, other = Pen("x"), Pen("b")
    batches = [careless.next(put(RECORDS[0], "f", 1))]
    first = careless.dot()
    batches.append(careless.next(put(RECORDS[0], "f", 2), put(RECORDS[0], "f", 3)))
    void, seen = careless.dot(), careless.head
    batches.append(other.next(put(RECORDS[0], "f", 4, void, first), after=(seen,), stamp=99))
    batches.append(other.next(put(RECORDS[1], "f", 4, first)))
    batches.append(careless.next(put(RECORDS[0], "f", 5), stamp=50))
    return chains(batches)


@pytest.mark.parametrize("branch", [living, restarted])
def test_void_batches_are_void_in_every_order(branch: Callable[[Site], Site]) -> None:
    last, _ = explore(spoiled(), branch, means_what_it_says)
    assert [row.decode().split(":")[0] for _, row in last.disk.scan(Table.FATES)] == ["void", "void"]


def test_the_worlds_hold_conflicts_buries_and_dependencies() -> None:
    kinds = set()
    for seed in WORLDS:
        last, _ = explore(world(seed), living, lambda site: None)
        for opened in last.applied():
            kinds |= {change.kind.name for change in opened.content.changes}
            kinds |= {"AFTER"} if opened.content.after else set()
        kinds |= {"CONFLICT" for _, row in last.disk.scan(Table.CELLS) if len(decode_cell(row)) > 1}
    assert kinds == {"PUT", "CLEAR", "BURY", "RESTORE", "AFTER", "CONFLICT"}
