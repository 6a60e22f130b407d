"""Since when a writer is held up, and trying again when somebody asks."""

from mesh.crdt.compose import Put
from mesh.crdt.effects import Composed
from mesh.crdt.events import Merge, RetryHeld
from mesh.crdt.replica import Table
from mesh.crdt.waiting import held_since
from mesh.ids import RecordId
from sim.trust import certificate_for
from tests.crdt.site import NOON, STRANGER, Pen, Site, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")


def held() -> tuple[Site, Pen, Pen]:
    """A site where pen `b` waits for pen `c` since noon."""
    ada, pen, other = Site("a"), Pen("b"), Pen("c")
    other.next(put(RECORD, "current", 1))
    ada.merge(pen.next(put(RECORD, "voltage", 1), after=(other.head,)))
    return ada, pen, other


def test_the_moment_is_kept_until_the_reason_is_gone() -> None:
    ada, pen, other = held()
    assert held_since(ada.disk, pen.writer) == NOON
    ada.tell(Merge(STRANGER, (pen.next(),), (certificate_for("b"),)), NOON + 5)
    ada.open()
    ada.settle()
    assert held_since(ada.disk, pen.writer) == NOON
    assert held_since(ada.disk, other.writer) is None
    ada.merge(Pen("c").next(put(RECORD, "current", 1)))
    assert held_since(ada.disk, pen.writer) is None
    assert [key for key, _ in ada.disk.scan(Table.META) if key.startswith(b"held")] == []


def test_a_retry_is_answered_whatever_comes_of_it() -> None:
    ada, pen, _ = held()
    assert Composed(7, None) in [*ada.tell(RetryHeld(7)), *ada.settle()]
    assert ada.fate(pen.head).startswith("held")
    ada.compose(Put(RECORD, "phase", 1))
    ada.tell(RetryHeld(8, pen.writer))
    assert Composed(8, None) not in ada.said  # Not before the disk has what is under way.
    ada.settle()
    assert Composed(8, None) in ada.said
