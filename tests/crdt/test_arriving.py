"""Ends are applied a little at a time, while everything else goes on, and come to the same as if applied at once."""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.config import LedgerConfig
from mesh.crdt.batch import Batch, open_batch
from mesh.crdt.compose import Put
from mesh.crdt.effects import Composed, Emit, Ended, NotComposed, Store
from mesh.crdt.ends import SignedEnd
from mesh.crdt.events import Merge, Retry, TakeEnds
from mesh.ids import RecordId
from sim.trust import certificate_for
from tests.crdt.admin import end_of
from tests.crdt.forests import forest
from tests.crdt.site import MESH, STRANGER, Pen, Site, exchange, put
from tests.crdt.test_ending import assert_is_sound, bring, end_behind

laws = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SLOWLY = LedgerConfig(ending_bytes=1)  # One row at a time.
CERTIFICATES = tuple(map(certificate_for, "abcdx"))
RECORD = RecordId("unit", "BTF/DIPOLE/1")


def live_through(site: Site, events: list[Batch | SignedEnd], rng: Random) -> None:
    """Hand all of them in, with a step of the ends, a store, or a failing disk in between."""
    for event in events:
        if isinstance(event, SignedEnd):
            site.tell(TakeEnds((event,)))
        else:
            site.tell(Merge(STRANGER, (event,), CERTIFICATES))
        for _ in range(rng.randrange(4)):
            step(site, rng)


def step(site: Site, rng: Random) -> None:
    chance = rng.random()
    if chance < 0.5 and site.ledger.deadline() == 0:
        site.tell(Retry())
    elif site.waiting:
        (site.store if chance < 0.9 else site.fail)()


@laws
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 3))
def test_whatever_comes_between_two_steps_all_ends_the_same(seed: int, size: int, count: int) -> None:
    rng, batches = Random(seed), forest(seed, size)
    if not batches:
        return
    ends = [end_behind(open_batch(rng.choice(batches), MESH), rng) for _ in range(count)]
    at_once = Site("a")
    at_once.merge(*batches)
    for end in ends:
        bring(at_once, end)
    slowly = Site("b", limits=SLOWLY)
    events: list[Batch | SignedEnd] = [*batches, *ends]
    live_through(slowly, [*batches, *ends] if rng.random() < 0.5 else rng.sample(events, len(events)), rng)
    slowly.settle()
    for end in ends:  # What a disk that failed took with it is told again.
        bring(slowly, end)
    for _ in batches:
        slowly.merge(*batches)
    exchange([at_once, slowly])
    assert_is_sound(slowly)
    assert slowly.sight() == at_once.sight()


@laws
@given(st.integers(0, 2**32), st.integers(4, 24), st.integers(0, 24))
def test_what_is_written_while_the_log_is_looked_through_counts(seed: int, size: int, before: int) -> None:
    """Of writers that did not fork: there what was found is used, as far as it still holds."""
    rng, batches = Random(seed), forest(seed, size, 0)
    if not batches:
        return
    end = end_behind(open_batch(rng.choice(batches[: max(1, before)]), MESH), rng)
    slowly, at_once = Site("b", limits=SLOWLY), Site("a")
    slowly.merge(*batches[:before])
    slowly.tell(TakeEnds((end,)))
    for batch in batches[before:]:
        for _ in range(rng.randrange(before + 2)):
            slowly.tell(Retry())
        slowly.tell(Merge(STRANGER, (batch,), CERTIFICATES))
    slowly.settle()
    bring(at_once, end)
    at_once.merge(*batches)
    exchange([at_once, slowly])
    assert_is_sound(slowly)
    assert slowly.sight() == at_once.sight()


def test_others_write_and_are_told_while_an_end_looks_through_the_log() -> None:
    pen, site = Pen(), Site("a", limits=SLOWLY)
    site.merge(pen.next(put(RECORD, "current", 1)))
    for number in range(20):
        site.write(Put(RecordId("unit", f"{number}"), "current", number))
    end = end_of(pen.writer)
    assert site.tell(TakeEnds((end,), None, 77)) == []
    site.tell(TakeEnds((end,), STRANGER))  # Told again meanwhile, it is the same one.
    written = 0
    while site.ledger.deadline() == 0:
        site.write_between(Put(RECORD, "voltage", written))
        for _ in range(2):
            site.tell(Retry())
        written += 1
    assert written >= 10
    said = site.settle()
    assert [effect.ends for effect in site.said if isinstance(effect, Ended)] == [(end,)]
    assert [effect for effect in said if isinstance(effect, Composed) and effect.request == 77]
    assert site.fields(RECORD) == {"voltage": written - 1}
    assert_is_sound(site)


def test_a_disk_that_fails_meanwhile_makes_it_look_again() -> None:
    pen, site = Pen(), Site("a", limits=SLOWLY)
    site.merge(pen.next(put(RECORD, "current", 1)), pen.next(put(RECORD, "current", 2)))
    site.compose(Put(RECORD, "voltage", 5))
    site.tell(TakeEnds((end_of(pen.writer),), None, 77))
    site.tell(Retry())
    site.fail()
    said = site.settle()
    assert [effect for effect in said if isinstance(effect, Composed) and effect.request == 77]
    assert site.show(RECORD) is None
    assert_is_sound(site)


def test_an_end_that_the_admin_has_not_signed_is_refused_and_those_before_it_count() -> None:
    pen, site = Pen(), Site("a")
    site.merge(pen.next(put(RECORD, "current", 1)))
    good = end_of(pen.writer)
    said = site.tell(TakeEnds((good, SignedEnd(good.content + b"x", good.signature)), STRANGER))
    assert [effect.name for effect in said if isinstance(effect, Emit)] == ["peer.malformed"]
    assert isinstance(site.waiting[0], Store)
    site.settle()
    assert site.show(RECORD) is None
    assert not [effect for effect in site.said if isinstance(effect, NotComposed)]
