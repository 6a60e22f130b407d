"""Forks: whatever order the branches of a writer come in, every replica ends the same and nothing is lost.

Invariant: what must be equal is `Site.sight`: cells, fingerprint, digest, heads, token and fates. In which line a branch is stored
is a replica's own business.
"""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Batch
from mesh.crdt.branches import LINES_MAX, advance, spans_of
from mesh.crdt.cell import decode_cell
from mesh.crdt.compose import Clear, Edit, Put
from mesh.crdt.effects import Emit
from mesh.crdt.history import changes_in, refold, scan_log
from mesh.crdt.keys import split_cell_key
from mesh.crdt.replica import Table
from mesh.crdt.verify import verify_replica
from mesh.ids import Dot, Head, WriterId
from sim.trust import CheapTrust
from tests.crdt.forests import forest
from tests.crdt.histories import RECORDS, writes
from tests.crdt.site import MESH, Pen, Site, cloned, exchange, live_dots, put

laws = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
RECORD = RECORDS[0]


seeds = st.integers(0, 2**32)
sizes = st.integers(1, 24)


def shuffled(batches: list[Batch], rng: Random) -> list[Batch]:
    return rng.sample(batches, len(batches))


def delivered(batches: list[Batch], rng: Random) -> Site:
    """A fresh replica that got all of them, in any order, some of them again and again."""
    site = Site("fresh")
    for batch in shuffled(batches, rng):
        site.merge(batch)
    missing = batches
    while missing:
        site.merge(*shuffled(missing, rng))
        held = site.log()
        missing = [batch for batch in batches if batch not in held]
    return site


def assert_is_sound(site: Site) -> None:
    assert verify_replica(site.disk, MESH, CheapTrust("x")).differences == ()
    rows = site.disk.scan(Table.CELLS)
    cells = {split_cell_key(key): sorted(s.dot for s in decode_cell(row)) for key, row in rows}
    assert cells == live_dots(site.applied(), site.log())
    again = cloned(site, "again")
    assert again.sight() == site.sight()


@laws
@given(seeds, sizes)
def test_every_order_of_arrival_of_a_tree_ends_the_same(seed: int, size: int) -> None:
    batches, rng = forest(seed, size), Random(seed)
    one, other = delivered(batches, rng), delivered(batches, rng)
    assert one.sight() == other.sight()
    assert len(one.log()) == len(other.log()) == len(set(batches))
    assert_is_sound(one)
    assert not [line for line in one.ledger.durable.lines.values() if line.applied != line.have]


@laws
@given(seeds, sizes)
def test_what_is_there_of_a_tree_is_what_its_log_gives(seed: int, size: int) -> None:
    batches, rng = forest(seed, size), Random(seed)
    site = Site("fresh")
    for batch in shuffled(batches, rng):
        if rng.randrange(4):
            site.merge(batch)
    assert_is_sound(site)
    assert delivered(site.log(), rng).sight() == site.sight()


@laws
@given(seeds, sizes)
def test_any_two_replicas_of_a_tree_bring_each_other_to_all_of_it(seed: int, size: int) -> None:
    batches, rng = forest(seed, size), Random(seed)
    sites = Site("a"), Site("b")
    for site in sites:
        site.merge(*shuffled(batches, rng)[: rng.randint(0, len(batches))])
        site.merge(*(batch for batch in batches if rng.random() < 0.5))
    exchange(sites)
    assert sites[0].sight() == sites[1].sight()
    assert len(sites[0].log()) == len(sites[1].log())


@laws
@given(seeds, sizes)
def test_a_token_is_covered_where_all_that_it_names_is_applied(seed: int, size: int) -> None:
    batches, rng = forest(seed, size), Random(seed)
    one, other = Site("one"), Site("other")
    one.merge(*batches[: rng.randint(0, len(batches))])
    other.merge(*shuffled(batches, rng))
    applied = {opened.hash for opened in other.counted()}
    held = {opened.hash for opened in one.counted()}
    covered = other.ledger.covers(one.ledger.durable.token())
    assert covered or not held <= applied or other.ledger.durable.branches
    if one.ledger.durable.branches or not other.ledger.durable.branches:
        assert covered == (held <= applied) or not other.ledger.durable.branches


@laws
@given(seeds, sizes)
def test_a_position_that_follows_batch_by_batch_is_the_token(seed: int, size: int) -> None:
    site = Site("a")
    position: dict[WriterId, int] = {}
    for batch in forest(seed, size):
        site.merge(batch)
        for opened in site.counted():
            advance(site.disk, position, opened)
        assert position == site.ledger.durable.token()
        lines = site.ledger.durable.lines.values()
        applied = {line.id: line.applied.number for line in lines if line.applied.number >= line.first}
        assert spans_of(site.disk, position) == applied
        assert not any(advance(site.disk, position, opened) for opened in site.counted())


@laws
@given(seeds, sizes)
def test_the_past_of_a_tree_folds_to_what_was_shown(seed: int, size: int) -> None:
    site, seen = Site("a"), []
    for batch in forest(seed, size):
        site.merge(batch)
        seen += [(site.ledger.durable.token(), record, site.show(record)) for record in RECORDS]
    forked = site.ledger.durable.branches
    everything = site.ledger.durable.token()
    for token, record, shown in seen:
        if any(key in forked for key in token):
            continue  # A token from before a fork was known may mean any branch.
        made = [
            one for place, row in scan_log(site.disk, everything) for one in changes_in(site.disk, place, row, record)
        ]
        spans = spans_of(site.disk, token)
        known = [one for one in made if one.dot.number <= spans.get(one.line, 0)]
        assert refold(record, known) == shown


steps = st.lists(
    st.tuples(st.sampled_from(["write", "write", "pull", "copy"]), st.integers(0, 9), st.integers(0, 9), writes),
    min_size=4,
    max_size=18,
)


@laws
@given(steps)
def test_copied_nodes_lose_nothing_and_each_goes_on_as_a_writer_of_its_own(
    history: list[tuple[str, int, int, tuple[Edit, ...]]],
) -> None:
    sites = [Site("a"), Site("b")]
    acknowledged: list[Head] = []
    for kind, one, two, edits in history:
        site, other = sites[one % len(sites)], sites[two % len(sites)]
        if kind == "write":
            acknowledged.append(site.write(*edits))
        elif kind == "pull":
            site.pull(other)
        elif len(sites) < 6:
            sites.append(cloned(site, str(len(sites))))
    exchange(sites)
    for site in sites:
        assert site.sight() == sites[0].sight()
        assert all(map(site.ledger.holds, acknowledged))
        assert site.fates() == {}
        assert_is_sound(site)
    forked = sites[0].ledger.durable.branches
    assert all(site.ledger.writer not in forked for site in sites)
    heads = [site.write(Put(RECORD, "last", 1)) for site in sites]
    exchange(sites)
    assert sites[0].fates() == {}
    assert all(map(sites[0].ledger.holds, heads))


def _is_named(effect: object, name: str) -> bool:
    return isinstance(effect, Emit) and effect.name == name


def test_a_fork_is_told_once_at_every_peer_and_the_copied_node_opens_a_new_era() -> None:
    ada, eve, bob = Site("a"), Site("c"), Site("b")
    eve.write(Put(RECORD, "current", 0))
    copy = cloned(eve, "copy")
    eve.write(Put(RECORD, "current", 1))
    copy.write(Put(RECORD, "current", 2))
    before = eve.ledger.writer
    for _ in range(2):
        for site in (ada, bob, eve, copy):
            for other in (eve, copy, ada, bob):
                if site is not other:
                    site.pull(other)
    for site in (ada, bob, eve, copy):
        told = [effect for effect in site.said if _is_named(effect, "ledger.fork")]
        assert len(told) == 1
        assert sorted(conflict.number for conflict in conflicting(site)) == [2, 2]
    assert eve.ledger.writer != before != copy.ledger.writer
    eve.write(Put(RECORD, "current", 3))
    ada.pull(eve)
    assert ada.fields(RECORD) == {"current": 3}
    assert conflicting(ada) == []


def conflicting(site: Site) -> list[Dot]:
    stored = site.show(RECORD)
    assert stored is not None
    return [sibling.dot for field in stored.conflicts() for sibling in stored.cells[field]]


def test_a_change_does_not_replace_one_of_another_branch() -> None:
    site, pen = Site("a"), Pen()
    site.merge(pen.next(put(RECORD, "current", 0)))
    other = pen.copy()
    site.merge(pen.next(put(RECORD, "current", 1)), pen.next(put(RECORD, "current", 2)))
    site.merge(other.next(put(RECORD, "current", 3)), other.next(put(RECORD, "current", 4)))
    assert sorted(dot.mark for dot in conflicting(site)) == sorted([pen.dot().mark, other.dot().mark])


def test_what_names_a_batch_of_another_branch_waits_for_that_branch() -> None:
    site, pen, reader = Site("a"), Pen(), Pen("b")
    site.merge(pen.next(put(RECORD, "current", 0)))
    other = pen.copy()
    here, there = pen.next(put(RECORD, "current", 1)), other.next(put(RECORD, "current", 2))
    site.merge(here)
    after = reader.next(put(RECORD, "voltage", 1), after=(other.head,))
    site.merge(after)
    second = Pen("d")
    over = second.next(put(RECORD, "current", 5, other.dot()))
    site.merge(over, certificates="d")
    assert site.fate(reader.head).startswith("held")
    assert site.fate(second.head).startswith("held")
    site.merge(there)
    assert site.fates() == {}
    assert site.fields(RECORD)["voltage"] == 1
    assert [dot.mark for dot in conflicting(site)] != []
    site.write(Clear(RECORD, "current"))
    assert conflicting(site) == []


def test_a_writer_has_a_limited_number_of_branches() -> None:
    site, pen = Site("a"), Pen()
    site.merge(pen.next(put(RECORD, "current", 0)))
    for number in range(LINES_MAX):
        site.merge(pen.copy().next(put(RECORD, "current", number)))
    assert len(site.ledger.durable.lines) == LINES_MAX
    said = site.merge(pen.copy().next(put(RECORD, "current", -1)))
    assert [effect.name for effect in said if isinstance(effect, Emit)] == ["ledger.full"]
    assert_is_sound(site)
