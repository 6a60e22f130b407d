"""Ends: whatever order batches and ends come in, every replica is what it had been if the end had come first.

Invariant: what must be equal is `Site.sight`: cells, fingerprint, digest, heads, token and fates.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Batch, OpenBatch, open_batch
from mesh.crdt.compose import Put
from mesh.crdt.effects import Emit
from mesh.crdt.ends import SignedEnd
from mesh.crdt.events import OpenEra, TakeEnds
from mesh.crdt.verify import verify_replica
from mesh.errors import Refused
from mesh.ids import RecordId
from sim.trust import CheapTrust
from tests.crdt.admin import end_of
from tests.crdt.forests import forest
from tests.crdt.site import MESH, Pen, Site, cloned, exchange, put

laws = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def end_behind(opened: OpenBatch, rng: Random) -> SignedEnd:
    """An end just before a batch: of its writer, or of the branch that begins with it."""
    content = opened.content
    branch = opened.hash if rng.random() < 0.5 else b""
    return end_of(content.writer, content.number - 1, content.previous, branch)


def bring(site: Site, what: Batch | SignedEnd) -> None:
    if isinstance(what, SignedEnd):
        site.tell(TakeEnds((what,)))
        site.settle()
    else:
        site.merge(what)


def delivered(batches: list[Batch], ends: list[SignedEnd], rng: Random, name: str) -> Site:
    """A fresh replica that got all of them, in any order, and then all of them again as long as that brings anything."""
    site = Site("fresh", chance=name)
    everything: list[Batch | SignedEnd] = [*batches, *ends]
    for what in rng.sample(everything, len(everything)):
        bring(site, what)
    before = -1
    while len(site.log()) != before:
        before = len(site.log())
        site.merge(*rng.sample(batches, len(batches)))
    return site


def assert_is_sound(site: Site) -> None:
    assert verify_replica(site.disk, MESH, CheapTrust("x")).differences == ()
    assert cloned(site, "again").sight() == site.sight()


@laws
@given(st.integers(0, 2**32), st.integers(1, 24), st.integers(1, 3), st.randoms(use_true_random=False))
def test_ends_take_the_same_whenever_they_come(seed: int, size: int, count: int, rng: Random) -> None:
    batches = forest(seed, size)
    if not batches:
        return
    ends = [end_behind(open_batch(rng.choice(batches), MESH), rng) for _ in range(count)]
    first = Site("a")
    for end in ends:
        bring(first, end)
    for batch in batches:
        first.merge(batch)
    last = Site("b")
    for batch in batches:
        last.merge(batch)
    for end in ends:
        bring(last, end)
        assert_is_sound(last)
    assert last.sight() == first.sight()
    mixed = delivered(batches, ends, rng, "mixed")
    assert_is_sound(mixed)
    assert mixed.sight() == first.sight()
    exchange([first, last, mixed])
    assert first.sight() == last.sight() == mixed.sight()


RECORD = RecordId("unit", "BTF/DIPOLE/1")


def test_what_a_thief_replaced_comes_back_and_who_waited_goes_on() -> None:
    site, honest, thief = Site("a"), Pen("b"), Pen("x")
    first = open_batch(honest.next(put(RECORD, "current", 1)), MESH)
    stolen = open_batch(thief.next(put(RECORD, "current", 9, first.dot(0))), MESH)
    later = honest.next(put(RECORD, "phase", 3), after=(stolen.head,))
    site.merge(first.batch, later)
    assert site.fields(RECORD) == {"current": 1}
    site.merge(stolen.batch)
    assert site.fields(RECORD) == {"current": 9, "phase": 3}
    bring(site, end_of(thief.writer))
    assert site.fields(RECORD) == {"current": 1, "phase": 3}
    assert site.ledger.covers({thief.writer: 5})
    site.merge(stolen.batch)
    assert site.fields(RECORD) == {"current": 1, "phase": 3}
    assert stolen.batch not in site.log()
    assert_is_sound(site)


def test_an_ended_node_refuses_writes_and_says_who_ended_it_and_why() -> None:
    site = Site("a")
    head = site.write(Put(RECORD, "current", 1))
    bring(site, end_of(head.writer, head.number, head.hash))
    assert site.fields(RECORD) == {"current": 1}
    assert site.ledger.is_ended
    with pytest.raises(Refused, match="eva has ended this node's writes behind batch 1: the key was stolen"):
        site.compose(Put(RECORD, "current", 2))
    site.tell(OpenEra("its disk was copied"))
    assert site.ledger.writer == head.writer
    site.open()
    assert site.ledger.is_ended


def test_an_end_that_the_admin_has_not_signed_changes_nothing() -> None:
    site, pen = Site("a"), Pen()
    site.merge(pen.next(put(RECORD, "current", 1)))
    before, good = site.tables(), end_of(pen.writer)
    bring(site, SignedEnd(good.content, CheapTrust("x").sign(good.content)))
    assert (
        "not signed by the mesh's admin" in [str(one.about["reason"]) for one in site.said if isinstance(one, Emit)][-1]
    )
    assert site.tables() == before
    assert not site.ledger.ends


def test_an_end_whose_store_fails_is_as_if_it_had_never_come() -> None:
    site, pen = Site("a"), Pen()
    site.merge(pen.next(put(RECORD, "current", 1)))
    before = site.sight()
    site.tell(TakeEnds((end_of(pen.writer),)))
    site.fail()
    assert site.sight() == before
    bring(site, end_of(pen.writer))
    assert site.fields(RECORD) == {}
    assert_is_sound(site)
