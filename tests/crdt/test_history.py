"""The past is in the log: what it folds to is what the view showed."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.branches import spans_of
from mesh.crdt.compose import Bury, Clear, Put, Restore
from mesh.crdt.history import START, Made, changes_in, refold, scan_log
from mesh.crdt.view import StoredRecord
from mesh.ids import RecordId, WriterId
from tests.crdt.histories import NAMES, RECORDS, Pulled, Wrote, histories, steps
from tests.crdt.site import NOON, YEARS, Pen, Site, exchange, put

RECORD = RECORDS[0]


def changes(site: Site, record: RecordId = RECORD, position: Mapping[WriterId, int] | None = None) -> list[Made]:
    """All changes of a record in a site's log, within a position."""
    found: list[Made] = []
    for place, row in scan_log(site.disk, site.ledger.durable.token() if position is None else position):
        found += changes_in(site.disk, place, row, record)
    return found


def past(site: Site, record: RecordId, position: Mapping[WriterId, int]) -> StoredRecord | None:
    return refold(record, changes(site, record, position))


@given(histories)
@settings(max_examples=60, deadline=None)
def test_at_the_present_token_the_past_is_the_view(sites: list[Site]) -> None:
    for site in sites:
        for record in RECORDS:
            assert past(site, record, site.ledger.durable.token()) == site.show(record)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_whatever_was_shown_at_a_token_is_shown_again(history: list[Wrote | Pulled]) -> None:
    sites = [Site(name) for name in NAMES]
    seen: list[tuple[dict[WriterId, int], RecordId, StoredRecord | None]] = []
    for step in history:
        match step:
            case Wrote(site, edits, clock_s):
                sites[site].write(*edits, now=NOON + clock_s)
            case Pulled(site, source):
                sites[site].pull(sites[source])
        ledger = sites[step.site].ledger
        seen += [(ledger.durable.token(), record, sites[step.site].show(record)) for record in RECORDS]
    exchange(sites)
    for token, record, shown in seen:
        assert past(sites[0], record, token) == shown
        spans = spans_of(sites[0].disk, token)
        known = [one for one in changes(sites[0], record) if one.dot.number <= spans.get(one.line, 0)]
        assert refold(record, known) == shown


@given(histories, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_in_which_changes_are_found_does_not_matter(sites: list[Site], chance) -> None:  # type: ignore[no-untyped-def]
    exchange(sites)
    found = changes(sites[0])
    shuffled = chance.sample(found, len(found))
    assert refold(RECORD, shuffled) == refold(RECORD, found) == sites[0].show(RECORD)


def test_a_scan_goes_on_behind_any_row() -> None:
    ada, bob = Site("a"), Site("b")
    for number in range(3):
        ada.write(Put(RECORD, "current", number))
        bob.write(Put(RECORD, "voltage", number))
    exchange((ada, bob))
    position = ada.ledger.durable.token()
    places = [place for place, _ in scan_log(ada.disk, position)]
    assert len(places) == 6
    for index, place in enumerate((START, *places)):
        assert [found for found, _ in scan_log(ada.disk, position, place)] == places[index:]
    assert [number for _, number in places] == [1, 2, 3, 1, 2, 3]


def test_every_kind_of_change_is_told_with_what_it_replaces() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1), Put(RECORDS[1], "current", 9))
    ada.write(Clear(RECORD, "current"))
    ada.write(Bury(RECORD))
    ada.write(Restore(RECORD))
    found = sorted(changes(ada), key=lambda one: one.rank)
    assert [one.change.kind.name for one in found] == ["PUT", "CLEAR", "BURY", "RESTORE"]
    assert [one.change.over for one in found[1:]] == [(one.dot,) for one in found[:3]]


def test_a_void_batch_is_no_history() -> None:
    ada, pen = Site("a"), Pen()
    good = pen.next(put(RECORD, "current", 1))
    void = pen.next(put(RECORD, "current", 2), stamp=0)
    ada.merge(good, void)
    assert ada.fate(pen.head).startswith("void")
    assert [one.dot.number for one in changes(ada)] == [1]


def test_a_clock_far_ahead_does_not_bring_back_what_was_replaced() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), now=NOON + YEARS)
    bob.pull(ada)
    bob.write(Put(RECORD, "current", 2))
    found = changes(bob)
    assert [one.sibling.author for one in sorted(found, key=lambda one: one.rank)] == ["b", "a"]
    folded = refold(RECORD, found)
    assert folded is not None
    assert folded.fields() == {"current": 2}
