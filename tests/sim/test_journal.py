"""The journal knows who should hold what, and how long it took."""

from mesh.crdt.batch import Batch, Content, OpenBatch
from mesh.ids import NO_BATCH, BatchHash, CertificateHash, Head, MeshId, WriterId
from sim.journal import Journal

WRITER = WriterId(bytes(16))
CONTENT = Content(
    "d", MeshId(bytes(16)), 1, 0, WRITER, b"", CertificateHash(bytes(32)), 1, NO_BATCH, 0, "a", (), (), {}
)
BATCH = OpenBatch(Batch(b"", b""), BatchHash(b"h" * 32), CONTENT)
HEAD = Head(WRITER, 1, BATCH.hash)


def journal() -> Journal:
    """One write, submitted at node 0 and acknowledged at 1.5 s."""
    made = Journal()
    made.show(0, 0.0, [BATCH], 1.5)
    made.acknowledge(made.submit(0, 1.0), HEAD, 1.5)
    return made


def test_a_delay_counts_from_the_acknowledgement_at_every_other_peer() -> None:
    kept = journal()
    kept.show(1, 0.0, [BATCH], 1.75)
    kept.show(2, 0.0, [BATCH], 2.5)
    assert kept.delays_s == [0.25, 1.0]
    assert kept.entries[0].last_s == 1.0


def test_writes_that_share_a_batch_are_each_shown_with_it() -> None:
    kept = journal()
    kept.acknowledge(kept.submit(0, 1.2), HEAD, 1.5)
    kept.show(1, 0.0, [BATCH], 2.0)
    assert [entry.last_s for entry in kept.entries] == [0.5, 0.5]


def test_a_peer_that_was_down_has_an_excuse() -> None:
    kept = journal()
    kept.show(1, 60.0, [BATCH], 61.0)
    assert kept.delays_s == []
    assert kept.holders(HEAD) == 0b11


def test_a_holder_is_one_until_it_loses_its_disk() -> None:
    kept = journal()
    kept.show(1, 0.0, [BATCH], 2.0)
    kept.forget(0)
    assert kept.holders(HEAD) == 0b10


def test_refusals_are_counted_by_reason() -> None:
    kept = Journal()
    kept.refuse("Refused")
    kept.refuse("Refused")
    assert (kept.refused, kept.acknowledged()) == ({"Refused": 2}, [])
