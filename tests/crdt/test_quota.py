"""What may be held: so much of one writer, so much of all, and never at the cost of what is applied."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.config import LedgerConfig
from mesh.crdt.batch import Batch
from mesh.crdt.compose import Put
from mesh.crdt.effects import Emit
from mesh.crdt.quota import Quota, Use, size_of
from mesh.ids import RecordId
from tests.crdt.site import Pen, Site, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")
PENS = "bcdx"


def counted(site: Site) -> Use:
    """What is held, counted anew from the log."""
    quota = Quota(site.limits)
    quota.recount(site.disk, site.ledger.durable.lines)
    return quota.total


def waiting(names: str, length: int = 3) -> tuple[Pen, list[list[Batch]]]:
    """A pen that everybody waits for, with its first batch made; and the chains of the others, which name it."""
    missing = Pen("a", b"an era of itself")
    missing.next(put(RECORD, "current", 0))
    chains = []
    for name in names:
        pen = Pen(name)
        chains.append([pen.next(put(RECORD, name, 0), after=(missing.head,)), *(pen.next() for _ in range(length - 1))])
    return missing, chains


@given(st.permutations(range(12)), st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_what_is_counted_is_what_is_held(order: list[int], at: int) -> None:
    ada = Site("a")
    _, chains = waiting(PENS)
    batches = [batch for chain in chains for batch in chain]
    help_ = Pen("a", b"an era of itself").next(put(RECORD, "current", 0))
    for place, index in enumerate(order):
        if place == at:
            ada.merge(help_)
        ada.merge(batches[index])
        assert ada.ledger.quota.total == counted(ada)
    ada.merge(help_, *batches)
    assert ada.ledger.quota.total == counted(ada) == Use()


def test_a_full_quota_refuses_more_of_anybody_and_takes_what_can_be_applied() -> None:
    ada = Site("a", limits=LedgerConfig(held_batches_max=4))
    missing, chains = waiting("bcd")
    said = [effect for chain in chains for effect in ada.merge(*chain)]
    full = [effect.about["reason"] for effect in said if isinstance(effect, Emit) and effect.name == "ledger.full"]
    assert full
    assert all("of all writers" in str(reason) for reason in full)
    assert ada.ledger.quota.total.batches == 4
    ada.write(Put(RECORD, "voltage", 1))
    ada.merge(Pen("x").next(put(RECORD, "phase", 2)))
    assert ada.fields(RECORD) == {"voltage": 1, "phase": 2}
    ada.merge(Pen("a", b"an era of itself").next(put(RECORD, "current", 0)))
    assert ada.ledger.quota.total == Use()
    for chain in chains:
        ada.merge(*chain)
    assert [ada.heads()[Pen(name).writer] for name in "bcd"] == [3, 3, 3]
    assert missing.writer in ada.heads()


def test_bytes_are_limited_too() -> None:
    _, ((first, second, _),) = waiting("b")
    ada = Site("a", limits=LedgerConfig(held_bytes_max=size_of(first) + size_of(second) - 1))
    said = ada.merge(first, second)
    assert "bytes of all writers" in str([effect.about for effect in said if isinstance(effect, Emit)])
    assert ada.ledger.quota.of(Pen("b").writer) == Use(1, size_of(first))


def test_a_start_and_a_failed_disk_count_anew() -> None:
    ada = Site("a")
    _, ((first, second, _),) = waiting("b")
    ada.merge(first)
    ada.open()
    assert ada.ledger.quota.total == Use(1, size_of(first))
    ada.compose(Put(RECORD, "voltage", 1))
    ada.settle()
    ada.merge(second)
    assert ada.ledger.quota.total == counted(ada)
