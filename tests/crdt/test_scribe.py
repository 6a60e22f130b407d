"""Own batches follow on each other, are signed, and come after what is applied here."""

from mesh.crdt.batch import AFTER_MAX, OpenBatch
from mesh.crdt.compose import Put
from mesh.crdt.events import OpenEra
from mesh.crdt.scribe import AFTER_BESIDE_CHANGES_MAX
from mesh.ids import NO_BATCH, Head, RecordId
from sim.trust import CheapTrust, certificate_for
from tests.crdt.site import NOON, Pen, Site, put

X = RecordId("note", "x")


def own_batches(site: Site) -> list[OpenBatch]:
    return sorted(
        (opened for opened in site.counted() if opened.content.writer == site.ledger.writer),
        key=lambda opened: opened.content.number,
    )


def test_batches_are_chained_stamped_upwards_and_signed() -> None:
    site = Site("a")
    for value in range(4):
        site.write(Put(X, "v", value), now=NOON - value)  # The clock runs backwards; stamps do not.
    batches = own_batches(site)
    assert [opened.content.number for opened in batches] == [1, 2, 3, 4]
    assert [opened.content.previous for opened in batches] == [NO_BATCH, *(opened.hash for opened in batches[:-1])]
    stamps = [opened.content.stamp for opened in batches]
    assert stamps == sorted(set(stamps))
    trust = CheapTrust("a")
    key = trust.read_certificate(certificate_for("a")).key
    assert all(trust.verify(key, opened.batch.signature, opened.batch.content) for opened in batches)


def test_a_long_list_of_dependencies_goes_ahead_in_batches_without_changes() -> None:
    site = Site("a")
    writers = [Pen("x", number.to_bytes(16, "big")) for number in range(AFTER_BESIDE_CHANGES_MAX + 1)]
    for number, pen in enumerate(writers):
        site.merge(pen.next(put(X, f"f{number}", 1)))
    site.write(Put(X, "v", 1))
    ahead, last = own_batches(site)
    assert (len(ahead.content.changes), len(last.content.changes)) == (0, 1)
    assert set(ahead.content.after) == {pen.head for pen in writers}
    assert len(ahead.content.after) <= AFTER_MAX
    assert last.content.after == ()


def test_a_new_era_is_another_writer_that_begins_at_one() -> None:
    site = Site("a")
    first: Head = site.write(Put(X, "v", 1))
    site.tell(OpenEra("the test says so"))
    site.settle()
    second = site.write(Put(X, "v", 2))
    assert second.writer != first.writer
    assert second.number == 1
