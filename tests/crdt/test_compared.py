"""What a peer holds is told from its heads: one number while nobody forked, the newest batch in common where somebody did."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Batch
from mesh.crdt.compared import Compared, anchors
from mesh.ids import BatchHash, Head, RecordId
from tests.crdt.site import Pen, Site, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")
UNKNOWN = BatchHash(b"?" * 32)


def parted(common: int, mine: int, yours: int) -> tuple[Site, Site, Pen]:
    """Two sites with a branch each, behind `common` batches."""
    one, two, pen = Site("a"), Site("b"), Pen()
    before: list[Batch] = [pen.next(put(RECORD, "current", number)) for number in range(common)]
    other = pen.copy()
    one.merge(*before, *(pen.next(put(RECORD, "current", number)) for number in range(mine)))
    two.merge(*before, *(other.next(put(RECORD, "voltage", number)) for number in range(yours)))
    return one, two, pen


def behind(site: Site, *theirs: Head) -> list[int]:
    compared = Compared(site.disk, site.ledger.durable, theirs)
    return [number for writer in sorted(site.ledger.durable.lines) for _, number in compared.behind(writer)]


def forked(site: Site, *theirs: Head) -> bool:
    return bool(Compared(site.disk, site.ledger.durable, theirs).forked())


def test_while_nobody_forked_a_number_tells_all() -> None:
    site, _, pen = parted(5, 0, 0)
    head = site.ledger.durable.heads()[0]
    assert behind(site) == [0]
    assert behind(site, head) == []
    assert behind(site, Head(pen.writer, 9, UNKNOWN)) == []  # It is ahead, as far as anybody can tell.
    earlier = anchors(site.disk, site.ledger.durable, pen.writer)
    assert [anchor.number for anchor in earlier] == [4, 3, 1]
    assert behind(site, earlier[1]) == [3]
    assert not forked(site, head)
    assert not forked(site, earlier[1])
    assert not forked(site, Head(pen.writer, 9, UNKNOWN))


def test_another_batch_of_a_number_that_we_have_proves_a_fork_and_waits_for_anchors() -> None:
    site, other, pen = parted(4, 2, 1)
    theirs = other.ledger.durable.heads()
    assert forked(site, *theirs)
    assert behind(site, *theirs) == []
    told = anchors(other.disk, other.ledger.durable, pen.writer)
    assert behind(site, *theirs, *told) == [4]
    assert not forked(other, *site.ledger.durable.heads())  # Ahead, as far as that one can tell;
    mine = (*site.ledger.durable.heads(), *anchors(site.disk, site.ledger.durable, pen.writer))
    assert forked(other, *mine)  # until the way to that head shows where they part.


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=40)
def test_anchors_find_a_batch_in_common_that_is_not_far_from_where_two_branches_part(
    common: int, mine: int, yours: int
) -> None:
    site, other, pen = parted(common, mine, yours)
    theirs = (*other.ledger.durable.heads(), *anchors(other.disk, other.ledger.durable, pen.writer))
    (number,) = behind(site, *theirs)
    assert number <= common
    assert common - number <= 2 * yours
    assert len(theirs) <= 9


def test_a_head_that_makes_no_sense_is_no_proof() -> None:
    site, _, pen = parted(2, 0, 0)
    for head in (Head(pen.writer, 1, BatchHash(b"")), Head(pen.writer, -1, UNKNOWN), Head(bytes(16), 1, UNKNOWN)):
        assert not forked(site, head)
