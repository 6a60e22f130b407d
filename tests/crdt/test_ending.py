"""Ends: whatever order batches and ends come in, every replica is what it had been if the end had come first.

Invariant: what must be equal is `Site.sight`: cells, fingerprint, digest, heads, token and fates.
"""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Batch, OpenBatch, open_batch
from mesh.crdt.ends import DOMAIN, End, SignedEnd, sign_end
from mesh.crdt.events import TakeEnds
from mesh.crdt.verify import verify_replica
from mesh.ids import NO_BATCH, BatchHash
from sim.trust import CheapTrust
from tests.crdt.forests import forest
from tests.crdt.site import MESH, Site, cloned, exchange

laws = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ADMIN = CheapTrust("the admin")


def end_behind(opened: OpenBatch, rng: Random) -> SignedEnd:
    """An end just before a batch: of its writer, or of the branch that begins with it."""
    content = opened.content
    branch = opened.hash if rng.random() < 0.5 else b""
    before = BatchHash(NO_BATCH) if content.number == 1 else content.previous
    return sign_end(
        End(DOMAIN, MESH, content.writer, content.number - 1, before, branch, "stolen", "eva", 7), ADMIN.sign
    )


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
