"""The log as others need it: in parcels, without a gap, and what is depended on first."""

from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Batch, encode_batch, open_batch
from mesh.crdt.compose import Put
from mesh.crdt.keys import batch_key
from mesh.crdt.log import LOOKS_MAX, Difference, Stretch, lacking, unequal
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.crdt.sums import EVERYTHING, NOTHING
from mesh.ids import NO_BATCH, Head, RecordId
from tests.crdt.site import MESH, NOON, YEARS, Pen, Site, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")


def drained(
    difference: Difference, disk: MemoryReplica, bytes_max: int = 1 << 40, count: int = 1_000
) -> list[list[Batch]]:
    parcels = []
    while difference:
        parcels.append(list(difference.take(disk, bytes_max, count).batches))
    return [parcel for parcel in parcels if parcel]


def of(site: Site, *theirs: Head) -> Difference:
    difference = Difference()
    difference.add(lacking(site.disk, site.ledger.durable, theirs, EVERYTHING))
    return difference


def test_parcels_are_bounded_and_leave_nothing_out() -> None:
    ada = Site("a")
    for number in range(9):
        ada.write(Put(RECORD, "current", number))
    by_count = drained(of(ada), ada.disk, count=4)
    by_bytes = drained(of(ada), ada.disk, bytes_max=600)
    assert [len(parcel) for parcel in by_count] == [4, 4, 1]
    assert len(by_bytes) > 1
    assert [*chain(*by_count)] == [*chain(*by_bytes)] == ada.log()


def test_a_difference_goes_on_from_the_heads_that_are_told() -> None:
    ada = Site("a")
    heads = [ada.write(Put(RECORD, "current", number)) for number in range(5)]
    assert drained(of(ada, heads[2]), ada.disk) == [ada.log()[3:]]
    assert drained(of(ada, heads[4]), ada.disk) == []
    assert lacking(ada.disk, ada.ledger.durable, (), NOTHING) == []
    assert lacking(ada.disk, ada.ledger.durable, [heads[1]], NOTHING) == [Stretch(heads[1].writer, 2, 5)]


writes = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.booleans()), max_size=30)


@given(writes, st.integers(1, 5), st.dictionaries(st.sampled_from("abcd"), st.integers(-5, 5)))
@settings(deadline=None, max_examples=60)
def test_whoever_gets_the_parcels_holds_nothing(
    steps: list[tuple[str, str, bool]], count: int, years_off: dict[str, int]
) -> None:
    """Whatever the clocks say: stamps order what is concurrent, `after` what is not."""
    sites = {name: Site(name) for name in "abcd"}
    for index, (name, other, pulls) in enumerate(steps):
        if pulls:
            sites[name].pull(sites[other])
        sites[name].write(Put(RECORD, name, index), now=NOON + YEARS * years_off.get(name, 0))
    everything = Site("x")
    for site in sites.values():
        everything.pull(site)
    fresh = Site("y")
    for parcel in drained(of(everything), everything.disk, count=count):
        fresh.merge(*parcel)
        assert all(line.applied == line.have for line in fresh.ledger.durable.lines.values())
    assert fresh.tables() == everything.tables()


def test_forged_circles_are_sent_all_the_same() -> None:
    disk = MemoryReplica()
    pens = [Pen("x"), Pen("y")]
    batches = [
        pen.sign(pen.draft(after=(Head(other.writer, 1, NO_BATCH),)))
        for pen, other in zip(pens, reversed(pens), strict=True)
    ]
    for pen, batch in zip(pens, batches, strict=True):
        disk.write([Write(Table.BATCHES, batch_key(pen.writer, 1), encode_batch(batch))])
    difference = Difference()
    difference.add([Stretch(pen.writer, 0, 1) for pen in pens])
    (parcel,) = drained(difference, disk)
    assert sorted(batch.content for batch in parcel) == sorted(batch.content for batch in batches)


def test_more_writers_than_one_look_are_ordered_before_anything_is_sent() -> None:
    site = Site("a")
    pens = [Pen(f"w{number}") for number in range(LOOKS_MAX + 5)]
    for pen in pens:
        site.merge(pen.next(put(RECORD, pen.writer.hex(), 1)), certificates=[f"w{pens.index(pen)}"])
    difference = of(site)
    for _ in range(2):
        first = difference.take(site.disk, 1 << 40, 1_000)
        assert (first.batches, first.more) == ((), True)
    (rest,) = drained(difference, site.disk)
    assert len(rest) == len(pens)


def test_an_unreadable_batch_ends_its_writer_and_is_told() -> None:
    site, pens = Site("a"), [Pen("b"), Pen("c")]
    for _ in range(3):
        for pen in pens:
            site.merge(pen.next(put(RECORD, pen.writer.hex(), 1)))
    lost, kept = (pen.writer for pen in pens)
    for row in (None, b"nonsense", site.disk.get(Table.BATCHES, batch_key(lost, 1))):
        site.disk.write([Write(Table.BATCHES, batch_key(lost, 2), row)])
        difference = of(site)
        (parcel,) = drained(difference, site.disk)
        heads = [open_batch(batch, MESH).head for batch in parcel]
        assert sorted((head.writer, head.number) for head in heads) == sorted(
            [(lost, 1), *((kept, n) for n in (1, 2, 3))]
        )
        assert [(row.writer, row.number) for row in difference.unreadable()] == [(lost, 2)]
        assert difference.unreadable() == []


def test_an_answer_names_what_is_unequal_and_what_is_not_held() -> None:
    ada, bob = Site("a"), Site("b")
    own = ada.write(Put(RECORD, "current", 1))
    bob.pull(ada)
    assert unequal(ada.ledger.durable.heads(), bob.ledger.durable.heads()) == ()
    other = bob.write(Put(RECORD, "current", 2))
    assert unequal(ada.ledger.durable.heads(), bob.ledger.durable.heads()) == (Head(other.writer, 0, NO_BATCH),)
    assert unequal(ada.ledger.durable.heads(), ()) == (own,)
