"""What people have to look at is found, and nothing else."""

from hypothesis import given, settings

from mesh.crdt.compose import Bury, Clear, Put, Restore
from mesh.crdt.conflicts import scan_unsettled, unsettled
from mesh.crdt.view import next_collection, scan_records
from mesh.ids import RecordId
from tests.crdt.histories import RECORDS, histories
from tests.crdt.site import NOON, Site, exchange, live_dots

RECORD = RECORDS[0]


def test_values_that_differ_are_listed_with_everyone_who_wrote_one() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), Put(RECORD, "voltage", 5), now=NOON)
    bob.write(Put(RECORD, "current", 2), Put(RECORD, "voltage", 5), now=NOON + 1)
    exchange((ada, bob))
    (found,) = scan_unsettled(scan_records(ada.disk, "unit"))
    assert {field: [s.author for s in cell] for field, cell in found.cells.items()} == {"current": ["a", "b"]}
    assert found.late == ()
    bob.write(Put(RECORD, "current", 2))
    ada.pull(bob)
    assert list(scan_unsettled(scan_records(ada.disk, "unit"))) == []


def test_a_value_against_none_is_a_conflict() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1))
    bob.pull(ada)
    ada.write(Clear(RECORD, "current"))
    bob.write(Put(RECORD, "current", 2))
    exchange((ada, bob))
    assert unsettled(ada.show(RECORD)).cells.keys() == {"current"}


def test_an_edit_that_a_bury_did_not_see_is_listed_until_it_is_restored() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), Put(RECORD, "voltage", 1))
    bob.pull(ada)
    ada.write(Bury(RECORD))
    assert unsettled(ada.show(RECORD)) is None
    bob.write(Put(RECORD, "current", 2))
    exchange((ada, bob))
    found = unsettled(ada.show(RECORD))
    assert [(late.field, late.sibling.author) for late in found.late] == [("current", "b")]
    assert [bury.author for bury in found.buries] == ["a"]
    ada.write(Restore(RECORD))
    assert unsettled(ada.show(RECORD)) is None


@given(histories)
@settings(max_examples=60, deadline=None)
def test_late_is_what_no_live_bury_names(sites: list[Site]) -> None:
    exchange(sites)
    batches = sites[0].applied()
    over = {o.dot(index): change.over for o in batches for index, change in enumerate(o.content.changes)}
    for record in RECORDS:
        live = {field: dots for (owner, field), dots in live_dots(batches, sites[0].log()).items() if owner == record}
        buries = live.pop("", [])
        seen = [dot for bury in buries for dot in over[bury]]
        late = [dot for dots in live.values() for dot in dots if buries and dot not in seen]
        stored = sites[0].show(record)
        found = unsettled(stored) if stored is not None else None
        assert sorted(one.sibling.dot for one in (found.late if found else ())) == sorted(late)


def test_collections_are_found_one_behind_the_other() -> None:
    ada = Site("a")
    names = ["unit", "uni", "unit-x", "variable"]
    for name in names:
        ada.write(Put(RecordId(name, "k"), "a", 1), Put(RecordId(name, "\U0010ffff"), "a", 1))
    found = [next_collection(ada.disk)]
    while found[-1] is not None:
        found.append(next_collection(ada.disk, found[-1]))
    assert found == [*sorted(names), None]
