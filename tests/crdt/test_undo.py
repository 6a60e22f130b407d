"""Taking back what one author wrote: all of it where nobody else wrote since, and nothing of anybody else's."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Kind
from mesh.crdt.compose import Bury, Clear, Edit, Overtaken, Put, Restore, TakeBack
from mesh.crdt.events import Compose
from mesh.crdt.history import Made, changes_in, scan_log
from mesh.crdt.undo import Kept, Marks, Plan, Step, by_author, plan_record, with_intent
from mesh.crdt.view import StoredRecord
from mesh.ids import RecordId
from tests.crdt.histories import NAMES, RECORDS, Pulled, Wrote, histories, writes
from tests.crdt.site import NOON, YEARS, Site, exchange

RECORD, OTHER = RECORDS
EVER = (0, 2**63)
Shown = dict[RecordId, dict[str, object]]


def made(site: Site, record: RecordId) -> list[Made]:
    """Every change of a record on a site's disk."""
    position = site.ledger.durable.token()
    return [one for place, row in scan_log(site.disk, position) for one in changes_in(site.disk, place, row, record)]


def plan(site: Site, taken: Callable[[Made], bool], intent: str = "undo", record: RecordId = RECORD) -> Plan:
    return plan_record(record, made(site, record), Marks(taken, with_intent(intent), site.ledger.writer))


def undo(site: Site, taken: Callable[[Made], bool], intent: str = "undo") -> list[Kept]:
    """Take back, as the API does: first all but the last steps, then those, planned anew. Returns what was kept."""
    kept: list[Kept] = []
    for last in (False, True):
        plans = [plan(site, taken, intent, record) for record in RECORDS]
        steps = [step for one in plans for step in (one.last if last else one.steps)]
        kept += [] if last else [row for one in plans for row in one.kept]
        if steps:
            carry_out(site, steps, intent)
    return kept


def carry_out(site: Site, steps: list[Step], intent: str = "undo") -> None:
    edits = tuple(TakeBack(s.record, s.field, s.kind, s.value, s.over, s.seen) for s in steps)
    site.tell(Compose(99, edits, "undoer", {"intent": intent}))
    site.settle()


def view(site: Site) -> Shown:
    """What is shown, of records that are not buried."""
    shown = {record: site.show(record) for record in RECORDS}
    return {record: stored.fields() for record, stored in shown.items() if stored is not None and stored.exists}


def after(site: Site) -> int:
    """A stamp behind everything that a site has."""
    return max([line.stamp for line in site.ledger.durable.lines.values()], default=0)


@given(histories, st.lists(writes, min_size=1, max_size=5), st.booleans())
@settings(max_examples=200, deadline=None)
def test_nobody_else_having_written_the_earlier_view_is_back(
    sites: list[Site], written: list[tuple[Edit, ...]], here: bool
) -> None:
    exchange(sites)
    ada, bob = sites[0], sites[1]
    earlier, since = view(ada), after(ada)
    for edits in written:
        ada.write(*edits, now=NOON + 20 * YEARS)
    bob.pull(ada)
    site = ada if here else bob
    later = view(site)
    undo(site, by_author("a", since + 1, EVER[1]))
    assert view(site) == earlier
    undo(site, by_author("undoer", *EVER), "undo of the undo")
    assert view(site) == later


@given(histories, st.sampled_from(NAMES), st.sampled_from(NAMES))
@settings(max_examples=150, deadline=None)
def test_nothing_of_anybody_else_is_changed(sites: list[Site], author: str, undoer: str) -> None:
    exchange(sites)
    site = sites[NAMES.index(undoer)]
    before = {record: site.show(record) for record in RECORDS}
    undo(site, by_author(author, *EVER))
    for record, stored in before.items():
        if stored is None:
            continue
        now = site.show(record) or StoredRecord(record, {}, ())
        for field, cell in stored.cells.items():
            theirs = [one for one in cell if one.author != author]
            kept = [(one.kind, one.value) for one in now.cells.get(field, ())]
            assert all((one.kind, one.value) in kept for one in theirs)
            mine = {one.dot for one in cell if one.author == author}
            if not mine:
                assert now.cells[field] == cell
        assert {one.dot for one in stored.buries if one.author != author} <= {one.dot for one in now.buries}


@given(histories, st.sampled_from(NAMES))
@settings(max_examples=60, deadline=None)
def test_an_undo_leaves_nothing_to_do(sites: list[Site], author: str) -> None:
    exchange(sites)
    undo(sites[0], by_author(author, *EVER))
    for record in RECORDS:
        again = plan(sites[0], by_author(author, *EVER), record=record)
        assert (again.steps, again.last) == ((), ())


@given(histories, st.sampled_from(NAMES))
@settings(max_examples=60, deadline=None)
def test_every_marked_cell_is_changed_or_listed(sites: list[Site], author: str) -> None:
    exchange(sites)
    for record in RECORDS:
        found = plan(sites[0], by_author(author, *EVER), record=record)
        whole = any(not step.field for step in found.last) or any(not kept.field for kept in found.kept)
        said = {one.field for one in (*found.steps, *found.last, *found.kept)}
        wrote = {one.change.field for one in made(sites[0], record) if one.sibling.author == author}
        assert wrote <= said or whole


def test_the_value_comes_back_that_the_authors_first_write_replaced() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), Put(RECORD, "labels.zone", "A"))
    bob.pull(ada)
    bob.write(Put(RECORD, "current", 2))
    bob.write(Put(RECORD, "current", 3), Clear(RECORD, "labels.zone"), Put(RECORD, "phase", 9))
    assert undo(bob, by_author("b", *EVER)) == []
    assert bob.fields(RECORD) == {"current": 1, "labels.zone": "A"}


def test_later_work_of_others_is_kept_and_named() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), Put(RECORD, "voltage", 1))
    bob.pull(ada)
    bob.write(Put(RECORD, "current", 2), Put(RECORD, "voltage", 2))
    ada.pull(bob)
    ada.write(Put(RECORD, "current", 3))
    (kept,) = undo(ada, by_author("b", *EVER))
    assert (kept.field, kept.reason, kept.by.author if kept.by else "") == ("current", "later work", "a")
    assert ada.fields(RECORD) == {"current": 3, "voltage": 1}


def test_work_of_others_between_two_writes_comes_back() -> None:
    ada, bob = Site("a"), Site("b")
    for number, site in enumerate((ada, bob, ada, bob)):
        site.write(Put(RECORD, "current", number))
        exchange((ada, bob))
    undo(ada, by_author("b", *EVER))
    assert ada.fields(RECORD) == {"current": 2}


def test_a_record_that_the_author_made_goes_unless_others_work_with_it() -> None:
    ada, bob = Site("a"), Site("b")
    bob.write(Put(RECORD, "current", 1), Put(OTHER, "current", 1))
    ada.pull(bob)
    ada.write(Put(OTHER, "voltage", 2))
    (kept,) = undo(ada, by_author("b", *EVER))
    assert (kept.record, kept.field, kept.by.author if kept.by else "") == (OTHER, "", "a")
    assert view(ada) == {OTHER: {"current": 1, "voltage": 2}}
    undo(ada, by_author("undoer", *EVER), "again")
    assert view(ada) == {RECORD: {"current": 1}, OTHER: {"current": 1, "voltage": 2}}


def test_buries_and_restores_are_taken_back() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), Put(OTHER, "current", 1))
    ada.write(Bury(OTHER))
    bob.pull(ada)
    bob.write(Bury(RECORD), Restore(OTHER))
    bob.write(Put(OTHER, "current", 2))
    assert undo(bob, by_author("b", *EVER)) == []
    assert view(bob) == {RECORD: {"current": 1}}
    hidden = bob.show(OTHER)
    assert hidden is not None
    assert (hidden.buried, hidden.fields()) == (True, {"current": 1})
    undo(bob, by_author("undoer", *EVER), "again")
    assert view(bob) == {OTHER: {"current": 2}}


def test_a_restored_record_that_others_edited_is_not_buried_again() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1))
    ada.write(Bury(RECORD))
    bob.pull(ada)
    bob.write(Restore(RECORD))
    ada.pull(bob)
    ada.write(Put(RECORD, "voltage", 5))
    (kept,) = undo(ada, by_author("b", *EVER))
    assert kept.reason == "the record was edited since it was restored"
    assert ada.fields(RECORD) == {"current": 1, "voltage": 5}


def test_a_bury_that_saw_nothing_is_taken_back_though_the_clocks_tell_another_order() -> None:
    """Who only buried a record has not made it, whatever the stamps say of what stood there before."""
    ada, bob = Site("a"), Site("b")
    ada.write(Bury(RECORD), Put(RECORD, "current", 0), now=NOON + YEARS)
    ada.write(Restore(RECORD), now=NOON + 2 * YEARS)
    bob.pull(ada)
    undo(bob, lambda one: one.change.kind is Kind.RESTORE)
    assert view(bob) == {}
    undo(bob, by_author("undoer", *EVER), "undo of the undo")
    assert view(bob) == {RECORD: {"current": 0}}


def test_a_write_that_nobody_here_knew_of_becomes_a_conflict() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1))
    bob.pull(ada)
    bob.write(Put(RECORD, "current", 2))
    ada.pull(bob)
    bob.write(Put(RECORD, "current", 3))
    undo(ada, lambda one: one.sibling.author == "b" and one.change.value == b"\x02")
    exchange((ada, bob))
    stored = ada.show(RECORD)
    assert stored is not None
    assert stored.conflicts() == ["current"]
    assert [one.value for one in stored.cells["current"]] != []
    assert {one.value for one in stored.cells["current"]} == {b"\x01", b"\x03"}


def test_a_write_that_came_between_plan_and_deed_stops_the_deed() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    ada.write(Put(RECORD, "current", 2), Put(OTHER, "current", 2))
    (step,) = plan(ada, lambda one: one.change.value == b"\x02").steps
    ada.write(Put(RECORD, "current", 3))
    with pytest.raises(Overtaken, match="changed while"):
        carry_out(ada, [step])
    assert ada.fields(RECORD) == {"current": 3}


def test_a_conflict_that_the_author_settled_comes_back_as_what_was_shown() -> None:
    ada, bob, eve = Site("a"), Site("b"), Site("c")
    ada.write(Put(RECORD, "current", 1))
    bob.write(Put(RECORD, "current", 2), now=NOON + 1)
    exchange((ada, bob, eve))
    eve.write(Put(RECORD, "current", 3))
    (step,) = plan(eve, by_author("c", *EVER)).steps
    assert (step.lossy, step.value, len(step.over)) == (True, b"\x02", 1)


def test_steps_of_two_kinds_of_history_are_played_alike() -> None:
    """A history in which the author's own site undoes while others have not heard of anything."""
    sites = [Site(name) for name in NAMES]
    for step in (
        Wrote(0, (Put(RECORD, "current", 0),), 0.0),
        Pulled(1, 0),
        Wrote(1, (Put(RECORD, "current", 1),), 0.0),
    ):
        if isinstance(step, Wrote):
            sites[step.site].write(*step.edits)
        else:
            sites[step.site].pull(sites[step.source])
    undo(sites[1], by_author("b", *EVER))
    exchange(sites)
    assert [site.fields(RECORD) for site in sites] == [{"current": 0}] * 3
