"""A batch of which a part was overwritten says so, and by whom."""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import open_batch
from mesh.crdt.compose import Bury, Clear, Put, Restore
from mesh.crdt.ends import open_end
from mesh.crdt.history import scan_log
from mesh.crdt.standing import (
    Replacing,
    Standings,
    end_of,
    followers_of,
    is_live,
    read_batch,
    replacing_in,
    revoked_row,
    standing_of,
)
from mesh.ids import Dot, Head, RecordId
from tests.crdt.admin import ADMIN
from tests.crdt.forests import forest
from tests.crdt.histories import histories
from tests.crdt.site import MESH, NOON, Pen, Site, exchange, live_dots, put
from tests.crdt.test_ending import bring, end_behind

laws = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
X, Y = RecordId("note", "x"), RecordId("note", "y")


def named(head: Head) -> Dot:
    return Dot(head.writer, head.number, 0, head.hash[:8])


def standing(site: Site, head: Head) -> str:
    opened = read_batch(site.disk, named(head))
    assert opened is not None
    return standing_of(site.disk, opened)


def replaced(site: Site, head: Head) -> list[Replacing]:
    opened = read_batch(site.disk, named(head))
    assert opened is not None
    rows = scan_log(site.disk, site.ledger.durable.token())
    followers = followers_of(site.disk, opened)
    return [one for place, row in rows for one in replacing_in(site.disk, place, row, opened, followers)]


def test_a_batch_is_current_then_partly_then_wholly_superseded() -> None:
    a, b = Site("a"), Site("b")
    head = a.write(Put(X, "v", 1), Put(Y, "v", 1))
    b.pull(a)
    assert standing(b, head) == "current"
    b.write(Put(Y, "v", 2))
    exchange((a, b))
    for site in (a, b):
        assert standing(site, head) == "partly superseded"
        (by,) = replaced(site, head)
        assert (by.replaced.index, by.sibling.author) == (1, "b")
    a.write(Clear(X, "v"), now=NOON + 1)
    assert standing(a, head) == "superseded"
    assert [one.sibling.author for one in sorted(replaced(a, head), key=lambda one: one.replaced)] == ["a", "b"]


def test_a_bury_replaces_nothing_and_a_restore_replaces_the_bury() -> None:
    a = Site("a")
    first = a.write(Put(X, "v", 1))
    bury = a.write(Bury(X))
    assert (standing(a, first), standing(a, bury)) == ("current", "current")
    restore = a.write(Restore(X))
    assert (standing(a, bury), standing(a, restore)) == ("superseded", "current")
    assert len(replaced(a, bury)) == 1


def test_what_is_void_or_held_has_no_effect() -> None:
    a, pen = Site("a"), Pen()
    good = pen.next(put(X, "v", 1))
    twice = pen.next(put(X, "v", 2), put(X, "v", 3))
    a.merge(good, twice)
    assert standing(a, pen.head) == "void"
    waits = pen.next(put(X, "v", 4), after=(Head(Site("b").ledger.writer, 1, pen.head.hash),))
    a.merge(waits)
    assert standing(a, pen.head) == "held"


@given(histories)
@settings(max_examples=60, deadline=None)
def test_a_change_lives_exactly_as_long_as_nothing_replaced_it(sites: list[Site]) -> None:
    exchange(sites)
    site = sites[0]
    live = {dot for dots in live_dots(site.applied(), site.log()).values() for dot in dots}
    standings = Standings()
    for opened in site.applied():
        for index, change in enumerate(opened.content.changes):
            dot = opened.dot(index)
            assert is_live(site.disk, change, dot) == (dot in live or change.kind.name == "RESTORE")
            assert standings.of(site.disk, dot) == standing_of(site.disk, opened)
        gone = {one.replaced for one in replaced(site, opened.head)}
        assert gone.isdisjoint(live)
        dead = [i for i, c in enumerate(opened.content.changes) if not is_live(site.disk, c, opened.dot(i))]
        assert {opened.dot(index) for index in dead} <= gone


@laws
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 4))
def test_the_end_that_is_named_took_the_batch_by_itself(seed: int, size: int, count: int) -> None:
    rng = Random(seed)
    batches = forest(seed, size)
    if not batches:
        return
    ends = {end.content: end for end in (end_behind(open_batch(rng.choice(batches), MESH), rng) for _ in range(count))}
    all_ended, alone = Site("a"), {content: Site("b") for content in ends}
    for site in (all_ended, *alone.values()):
        site.merge(*batches)
    for content, end in ends.items():
        bring(all_ended, end)
        bring(alone[content], end)
    by = {open_end(end, MESH, ADMIN): alone[content] for content, end in ends.items()}
    for opened in (open_batch(batch, MESH) for batch in batches):
        named = end_of(all_ended.disk, opened)
        taken = revoked_row(all_ended.disk, opened.dot(0)) is not None
        assert (named is not None) == taken
        assert named is None or revoked_row(by[named].disk, opened.dot(0)) is not None
