"""The ledger is the fold of its batches, and says nothing before it is durable.

Invariant: laws run over histories that real ledgers made, with clocks that are up to ten years wrong.
"""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import CHANGES_MAX, Batch, Kind, open_batch
from mesh.crdt.cell import is_conflict, shown
from mesh.crdt.compose import Bury, Clear, Put, Restore
from mesh.crdt.effects import Composed, Emit, Gap, NotComposed, Stocked, Visible
from mesh.crdt.events import Compose, Confirm, Merge, OpenEra, Retry, Stored, StoreFailed
from mesh.crdt.keys import ERA, cell_key
from mesh.crdt.replica import Table, Write
from mesh.crdt.scribe import AFTER_BESIDE_CHANGES_MAX
from mesh.crdt.view import read_record
from mesh.errors import StorageError, UsageError
from mesh.ids import RecordId
from sim.trust import certificate_for
from tests.crdt.histories import FIELDS, RECORDS, batches_of, histories
from tests.crdt.site import NOON, STRANGER, YEARS, Pen, Site, copy_of, exchange, live_dots, put

RECORD = RECORDS[0]
laws = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
skews = st.floats(-10 * YEARS, 10 * YEARS)


def parcels(data: st.DataObject, batches: list[Batch]) -> Iterator[tuple[Batch, ...]]:
    """The batches in any order and grouping, with repetitions; then again and again, as reconcile would."""
    repeated = batches + data.draw(st.lists(st.sampled_from(batches), max_size=5))
    order = data.draw(st.permutations(repeated))
    cuts = sorted({0, len(order), *data.draw(st.lists(st.integers(0, len(order)), max_size=6))})
    groups = [tuple(order[start:end]) for start, end in pairwise(cuts)]
    for _ in batches:
        yield from groups


@laws
@given(histories, st.data())
def test_the_view_does_not_depend_on_order_grouping_or_repetition(sites: list[Site], data: st.DataObject) -> None:
    batches = batches_of(sites)
    if not batches:
        return
    fresh = Site("fresh")
    for parcel in parcels(data, batches):
        fresh.merge(*parcel)
    assert fresh.tables() == sites[0].tables()
    assert all(line.applied == line.have for line in fresh.ledger.durable.lines.values())


@laws
@given(histories, st.data())
def test_a_batch_ahead_of_what_it_depends_on_waits_and_is_applied_later(sites: list[Site], data: st.DataObject) -> None:
    batches = batches_of(sites)
    chains = {open_batch(batch, sites[0].ledger.mesh).content.writer: [] for batch in batches}
    for batch in batches:  # The log is ordered by writer and number.
        chains[open_batch(batch, sites[0].ledger.mesh).content.writer].append(batch)
    fresh = Site("fresh")
    while any(chains.values()):
        chain = data.draw(st.sampled_from([chain for chain in chains.values() if chain]))
        fresh.merge(chain.pop(0))
    assert fresh.tables() == sites[0].tables()


@laws
@given(histories)
def test_incremental_apply_equals_a_refold_from_nothing(sites: list[Site]) -> None:
    for site in sites:
        refolded = Site("refolded")
        refolded.merge(*site.log())
        assert refolded.tables() == site.tables()
        assert refolded.fingerprint() == site.fingerprint()


@laws
@given(histories)
def test_the_view_is_what_the_definition_says(sites: list[Site]) -> None:
    for site in sites:
        wanted = live_dots(site.applied(), site.log())
        for record in RECORDS:
            stored = site.show(record)
            cells = {**stored.cells, "": stored.buries} if stored is not None else {}
            for field in ("", *FIELDS):
                live = sorted(sibling.dot for sibling in cells.get(field, ()))
                assert live == sorted(wanted.get((record, field), []))


@laws
@given(histories)
def test_equal_contexts_mean_equal_fingerprints(sites: list[Site]) -> None:
    exchange(sites)
    assert len({site.ledger.durable.digest for site in sites}) == 1
    assert len({site.fingerprint() for site in sites}) == 1
    assert all(site.ledger.durable.token() == sites[0].ledger.durable.token() for site in sites)


@laws
@given(histories, st.sampled_from(RECORDS), st.sampled_from(FIELDS), skews)
def test_a_causally_later_write_wins_whatever_its_stamp(
    sites: list[Site], record: RecordId, field: str, skew: float
) -> None:
    exchange(sites)
    sites[0].write(Put(record, field, "last"), now=NOON + skew)
    exchange(sites)
    for site in sites:
        stored = site.show(record)
        assert stored is not None
        assert len(stored.cells[field]) == 1
        assert stored.fields()[field] == "last"


@given(skews, skews)
@settings(max_examples=25, deadline=None)
def test_concurrent_puts_are_both_kept_and_the_highest_stamp_is_shown(mine: float, yours: float) -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), now=NOON + mine)
    bob.write(Put(RECORD, "current", 2), now=NOON + yours)
    exchange((ada, bob))
    stored = ada.show(RECORD)
    assert stored is not None
    cell = stored.cells["current"]
    assert stored.conflicts() == ["current"]
    assert is_conflict(cell)
    assert shown(cell) == max(cell, key=lambda sibling: (sibling.stamp, sibling.dot.mark))
    assert bob.show(RECORD) == stored


def test_equal_concurrent_values_are_settled() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", {"b": 1, "a": [2]}))
    bob.write(Put(RECORD, "current", {"a": [2], "b": 1}))
    exchange((ada, bob))
    stored = ada.show(RECORD)
    assert stored is not None
    assert len(stored.cells["current"]) == 2
    assert stored.conflicts() == []


def test_a_value_and_a_concurrent_clear_are_a_conflict() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1))
    exchange((ada, bob))
    ada.write(Put(RECORD, "current", 2))
    bob.write(Clear(RECORD, "current"))
    exchange((ada, bob))
    stored = bob.show(RECORD)
    assert stored is not None
    assert stored.conflicts() == ["current"]


def test_a_conflict_stays_until_someone_writes_over_it() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1))
    bob.write(Put(RECORD, "current", 2))
    exchange((ada, bob))
    ada.write(Put(RECORD, "voltage", 3))
    assert "current" in ada.show(RECORD).conflicts()
    ada.write(Put(RECORD, "current", 2))
    exchange((ada, bob))
    assert bob.show(RECORD).conflicts() == []


def test_a_writers_later_change_replaces_its_earlier_one_even_where_it_does_not_name_it() -> None:
    ada, pen = Site("a"), Pen()
    ada.merge(pen.next(put(RECORD, "current", 1)), pen.next(put(RECORD, "current", 2)))
    assert [sibling.dot for sibling in ada.show(RECORD).cells["current"]] == [pen.dot()]


@laws
@given(histories, st.sampled_from(RECORDS))
def test_a_buried_record_does_not_reappear_by_itself(sites: list[Site], record: RecordId) -> None:
    exchange(sites)
    sites[0].write(Bury(record))
    sites[1].write(Put(record, "current", "concurrent"))
    exchange(sites)
    sites[1].write(Put(record, "current", "later"))
    exchange(sites)
    for site in sites:
        assert site.show(record).buried
        assert site.fields(record)["current"] == "later"  # Nothing is lost either.
    sites[2].write(Restore(record))
    exchange(sites)
    assert not any(site.show(record).buried for site in sites)


def test_edits_concurrent_with_a_bury_are_kept_and_can_be_told_apart() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1))
    exchange((ada, bob))
    ada.write(Bury(RECORD))
    bob.write(Put(RECORD, "voltage", 5))
    exchange((ada, bob))
    stored = ada.show(RECORD)
    assert stored.fields() == {"current": 1, "voltage": 5}
    seen = {dot for bury in stored.buries for dot in bury.over}
    assert [field for field, cell in stored.cells.items() if any(s.dot not in seen for s in cell)] == ["voltage"]


def test_a_bury_that_the_restorer_did_not_see_stays() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1))
    exchange((ada, bob))
    ada.write(Bury(RECORD))
    bob.write(Bury(RECORD))
    ada.write(Restore(RECORD))
    exchange((ada, bob))
    assert [bury.author for bury in ada.show(RECORD).buries] == ["b"]
    bob.write(Restore(RECORD))
    exchange((ada, bob))
    assert not ada.show(RECORD).buried


def test_nothing_is_said_before_it_is_stored() -> None:
    ada, bob = Site("a"), Site("b")
    bob.write(Put(RECORD, "current", 1))
    request = ada.compose(Put(RECORD, "voltage", 2))
    said = ada.tell(Merge(STRANGER, bob.lacked_by({}), (certificate_for("b"),)))
    assert (request, said, ada.said, ada.log()) == (1, [], [], [])
    assert ada.ledger.durable.heads() == ()
    first, second = ada.store(), ada.store()
    assert [type(effect) for effect in first] == [Stocked, Visible, Composed]
    assert [type(effect) for effect in second] == [Stocked, Visible]
    assert second[0].source == STRANGER


def test_what_is_under_way_is_seen_by_the_next_write() -> None:
    ada = Site("a")
    ada.compose(Put(RECORD, "current", 1))
    ada.compose(Put(RECORD, "current", 2))
    with ada.ledger.read() as reader:
        assert read_record(reader, RECORD).fields() == {"current": 2}
    with ada.ledger.read_durable() as reader:
        assert read_record(reader, RECORD) is None
    ada.settle()
    second = open_batch(ada.log()[1], ada.ledger.mesh)
    assert [dot.number for dot in second.content.changes[0].over] == [1]


def test_tickets_are_answered_in_order() -> None:
    ada = Site("a")
    requests = [ada.compose(Put(RECORD, "current", number)) for number in range(4)]
    assert [store.ticket for store in ada.waiting] == sorted(store.ticket for store in ada.waiting)
    ada.settle()
    assert ada.answers() == [(request, True) for request in requests]


def test_what_one_commit_stores_is_said_together_and_each_write_gets_its_own_answer() -> None:
    ada, bob = Site("a"), Site("b")
    bob.write(Put(RECORD, "power", 1))
    requests = [ada.compose(Put(RECORD, "current", number)) for number in range(2)]
    ada.tell(Merge(STRANGER, bob.lacked_by({}), (certificate_for("b"),)))
    requests.append(ada.compose(Put(RECORD, "current", 2)))
    for store in ada.waiting:
        ada.disk.write(store.writes)
    said = ada.tell(Stored(ada.waiting[-1].ticket))
    stocked = [(effect.source, len(effect.batches)) for effect in said if isinstance(effect, Stocked)]
    assert stocked == [(None, 2), (STRANGER, 1), (None, 1)]
    (visible,) = (effect for effect in said if isinstance(effect, Visible))
    assert len(visible.batches) == 4
    heads = [(effect.request, effect.head.number) for effect in said if isinstance(effect, Composed) and effect.head]
    assert heads == list(zip(requests, (1, 2, 3), strict=True))
    assert ada.ledger.durable.token() == {ada.ledger.writer: 3, bob.ledger.writer: 1}


def test_an_own_batch_is_told_as_its_bytes_read() -> None:
    ada = Site("a")
    ada.compose(Put(RECORD, "current", {"a": [1, None, "x"]}), Clear(RECORD, "voltage"))
    (visible,) = (effect for effect in ada.settle() if isinstance(effect, Visible))
    assert visible.batches == (open_batch(ada.log()[0], ada.ledger.mesh),)


def test_a_failed_store_drops_everything_from_it_on() -> None:
    ada = Site("a")
    kept = ada.compose(Put(RECORD, "current", 1))
    lost = [ada.compose(Put(RECORD, "current", number)) for number in (2, 3)]
    ada.store()
    late = ada.waiting[1]
    said = ada.fail()
    errors = [effect.error for effect in said if isinstance(effect, NotComposed)]
    assert all(isinstance(error, StorageError) for error in errors)
    assert ada.answers() == [(kept, True), *((request, False) for request in lost)]
    assert ada.tell(StoreFailed(late.ticket, "as was to be expected")) == []
    with ada.ledger.read() as reader:
        assert read_record(reader, RECORD).fields() == {"current": 1}


def test_writes_after_a_failed_store_go_on_from_what_is_on_disk() -> None:
    ada, fresh = Site("a"), Site("fresh")
    ada.write(Put(RECORD, "current", 1))
    ada.compose(Put(RECORD, "current", 2))
    ada.fail()
    head = ada.write(Put(RECORD, "current", 3))
    assert head.number == 2
    fresh.merge(*ada.log())
    assert fresh.tables() == ada.tables()


def test_the_very_first_write_may_fail_and_be_made_again() -> None:
    ada = Site("a")
    ada.compose(Put(RECORD, "current", 1))
    ada.fail()
    ada.write(Put(RECORD, "current", 2))
    ada.open()
    assert ada.write(Put(RECORD, "current", 3)).number == 2


def test_a_write_that_changes_nothing_is_confirmed_only_with_what_it_agrees_with() -> None:
    ada = Site("a")
    assert ada.tell(Confirm(7)) == [Composed(7, None)]
    ada.compose(Put(RECORD, "current", 1))
    assert ada.tell(Confirm(8)) == []
    ada.fail()
    assert ada.answers()[1:] == [(1, False), (8, False)]
    ada.compose(Put(RECORD, "current", 1))
    ada.tell(Merge(STRANGER, ()))  # A ticket that asks for no store.
    assert ada.tell(Confirm(9)) == []
    assert ada.store()[-1] == Composed(9, None)


def test_a_power_cut_before_the_store_leaves_no_trace_and_the_number_free() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    ada.compose(Put(RECORD, "current", 2))
    ada.open()
    assert ada.fields(RECORD) == {"current": 1}
    assert ada.write(Put(RECORD, "current", 3)).number == 2


def test_a_restarted_ledger_never_stamps_below_its_own_past() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1), now=NOON + YEARS)
    ada.open()
    head = ada.write(Put(RECORD, "current", 2), now=NOON - YEARS)
    assert ada.fate(head) == ""
    assert ada.fields(RECORD) == {"current": 2}


def test_a_peers_clock_far_ahead_is_told_and_does_not_drag_ours_along() -> None:
    ada, bob = Site("a"), Site("b")
    bob.write(Put(RECORD, "current", 1), now=NOON + YEARS)
    said = ada.merge(*bob.log())
    assert [effect.name for effect in said if isinstance(effect, Emit)] == ["ledger.skew"]
    assert ada.fields(RECORD) == {"current": 1}
    ada.write(Put(RECORD, "voltage", 1))
    own = [open_batch(batch, ada.ledger.mesh) for batch in ada.log()]
    assert max(o.content.stamp for o in own if o.content.author == "a") < min(
        o.content.stamp for o in own if o.content.author == "b"
    )


def test_after_names_each_newly_applied_head_once() -> None:
    ada, bob = Site("a"), Site("b")
    read = bob.write(Put(RECORD, "current", 1))
    ada.pull(bob)
    heads = [ada.write(Put(RECORD, "current", number)) for number in (2, 3)]
    after = [open_batch(batch, ada.ledger.mesh).content.after for batch in ada.lacked_by([read])]
    assert [head.number for head in heads] == [1, 2]
    assert after == [(read,), ()]


def test_a_long_list_of_dependencies_is_split_over_batches_without_changes() -> None:
    ada, fresh = Site("a"), Site("fresh")
    count = AFTER_BESIDE_CHANGES_MAX + 1
    pens = [Pen("x", number.to_bytes(16, "big")) for number in range(count)]
    read = [pen.next(put(RecordId("unit", str(index)), "current", index)) for index, pen in enumerate(pens)]
    ada.merge(*read)
    ada.write(Put(RECORD, "current", 1))
    own = ada.lacked_by(pen.head for pen in pens)
    shapes = [(len(o.content.after), len(o.content.changes)) for o in (open_batch(b, ada.ledger.mesh) for b in own)]
    assert shapes == [(count, 0), (0, 1)]
    fresh.merge(*own)
    assert fresh.fields(RECORD) == {}
    fresh.merge(*read)
    assert fresh.fields(RECORD) == {"current": 1}


def test_a_new_era_goes_on_as_a_new_writer_and_loses_nothing() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    before = ada.ledger.writer
    assert [e.name for e in ada.tell(OpenEra("it was restored"))] == ["ledger.era"]
    head = ada.write(Put(RECORD, "current", 2))
    assert (head.writer != before, head.number) == (True, 1)
    assert ada.show(RECORD).conflicts() == []
    assert ada.fields(RECORD) == {"current": 2}


def test_a_new_era_survives_a_restart_before_its_first_write() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    ada.tell(OpenEra("it was restored"))
    ada.settle()
    writer = ada.ledger.writer
    assert ada.disk.get(Table.META, ERA) is not None
    ada.open()
    assert ada.ledger.writer == writer
    assert ada.write(Put(RECORD, "current", 2)).number == 1


def test_own_batches_that_only_others_have_are_taken_back_and_end_the_era() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    backup = copy_of(ada.disk)
    ada.write(Put(RECORD, "current", 2))
    lost, before = ada.log()[1], ada.ledger.writer
    ada.disk = backup
    ada.open()
    assert "ledger.era" in [effect.name for effect in ada.merge(lost) if isinstance(effect, Emit)]
    assert ada.fields(RECORD) == {"current": 2}
    assert ada.write(Put(RECORD, "current", 3)).writer != before
    assert ada.show(RECORD).conflicts() == []
    ada.open()
    assert ada.ledger.writer != before


def test_a_fork_of_our_own_chain_ends_the_era() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    backup, before = copy_of(ada.disk), ada.ledger.writer
    ada.write(Put(RECORD, "current", 2))
    lost = ada.log()[1]
    ada.disk = backup
    ada.open()
    ada.write(Put(RECORD, "current", 3))  # Before anybody could tell.
    told = [effect for effect in ada.merge(lost) if isinstance(effect, Emit)]
    assert [effect.name for effect in told] == ["ledger.era", "ledger.fork"]
    assert "this node's disk was copied or restored" in str(told[0].about["reason"])
    assert len(ada.show(RECORD).conflicts()) == 1
    assert ada.write(Put(RECORD, "current", 4)).writer != before
    assert ada.fields(RECORD) == {"current": 4}


def test_holds_is_about_exactly_that_batch() -> None:
    ada, other = Site("a"), Pen()
    head = ada.write(Put(RECORD, "current", 1))
    other.next()
    assert ada.ledger.holds(head)
    assert not ada.ledger.holds(other.head)
    assert not ada.ledger.holds(type(head)(head.writer, head.number, other.head.hash))
    assert not ada.ledger.holds(type(head)(head.writer, -1, head.hash))


def test_a_batch_with_a_gap_before_it_asks_its_source_for_more() -> None:
    ada, pen = Site("a"), Pen()
    first, second = pen.next(put(RECORD, "current", 1)), pen.next(put(RECORD, "current", 2))
    assert ada.merge(second) == [Gap(STRANGER)]
    assert ada.merge(second, first) == ada.said[1:]
    assert ada.fields(RECORD) == {"current": 1}


def test_a_known_batch_is_neither_stored_nor_passed_on_again() -> None:
    ada, pen = Site("a"), Pen()
    batch = pen.next(put(RECORD, "current", 1))
    ada.merge(batch)
    assert ada.merge(batch, batch) == []
    ada.tell(Merge(STRANGER, (batch,)))
    assert ada.waiting == []


@pytest.mark.parametrize("count", [0, CHANGES_MAX + 1])
def test_too_few_or_too_many_changes_are_refused(count: int) -> None:
    ada = Site("a")
    edits = tuple(Put(RECORD, f"field{index}", 1) for index in range(count))
    with pytest.raises(UsageError, match=f"1 to {CHANGES_MAX} changes"):
        ada.tell(Compose(1, edits, "a"))
    assert ada.waiting == []
    assert ada.write(Put(RECORD, "current", 1)).number == 1


def test_a_write_too_large_for_one_batch_is_refused_and_changes_nothing() -> None:
    ada = Site("a")
    with pytest.raises(UsageError, match="bytes was expected"):
        ada.tell(Compose(1, (Put(RECORD, "current", "x" * 60_000),), "a"))
    assert ada.waiting == []
    assert ada.write(Put(RECORD, "current", "x" * 50_000)).number == 1


def test_what_is_said_of_a_write_travels_with_it() -> None:
    ada = Site("a")
    ada.tell(Compose(1, (Put(RECORD, "current", 1),), "ada", {"reason": "a test", "later": "unknown"}))
    (visible,) = (effect for effect in ada.settle() if isinstance(effect, Visible))
    assert visible.batches[0].content.about == {"reason": "a test", "later": "unknown"}
    assert visible.batches[0].content.author == "ada"


def test_batches_held_at_a_restart_get_one_more_try_without_anybody_writing() -> None:
    ada, one, two = Site("a"), Pen("x"), Pen("c")
    first = one.next(put(RECORD, "current", 1))
    held = two.next(put(RECORD, "current", 2, one.dot()))
    ada.merge(held)
    assert ada.fate(two.head).startswith("held: waits")
    upgraded = Site("upgraded")
    upgraded.merge(first, held)
    rows = [(Table.BATCHES, one.writer + (1).to_bytes(8, "big")), (Table.CONTEXT, one.writer)]
    ada.disk.write(Write(table, key, upgraded.disk.get(table, key)) for table, key in rows)
    ada.open()
    assert ada.ledger.deadline() < NOON
    assert [type(effect) for effect in ada.settle()] == [Visible]
    assert ada.fate(two.head) == ""
    assert ada.ledger.deadline() == float("inf")


def test_a_ledger_with_nothing_held_waits_for_no_moment() -> None:
    ada = Site("a")
    assert ada.ledger.deadline() == float("inf")
    ada.write(Put(RECORD, "current", 1))
    ada.open()
    assert ada.ledger.deadline() == float("inf")
    assert ada.tell(Retry()) == []
    assert ada.tell(Stored(999)) == []


def test_a_cell_that_was_emptied_leaves_no_row() -> None:
    ada = Site("a")
    ada.write(Bury(RECORD))
    assert ada.show(RECORD).buries[0].kind is Kind.BURY
    ada.write(Restore(RECORD))
    assert ada.disk.get(Table.CELLS, cell_key(RECORD, "")) is None
    assert ada.show(RECORD) is None
    assert ada.fingerprint() == Site("b").fingerprint()


def test_the_disk_alone_is_what_peers_hear_of() -> None:
    ada = Site("a")
    ada.disk.write([Write(Table.META, b"foreign", b"row")])
    ada.compose(Put(RECORD, "current", 1))
    assert ada.ledger.durable.digest == Site("b").ledger.durable.digest


def test_a_batch_that_is_written_but_not_yet_told_stored_is_not_served() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    ada.compose(Put(RECORD, "current", 2))
    ada.disk.write(ada.waiting[0].writes)
    assert [open_batch(batch, ada.ledger.mesh).content.number for batch in ada.lacked_by({})] == [1]
