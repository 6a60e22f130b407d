"""As of a time: all that can be in is in, and nothing without what it was made upon."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import OpenBatch, decode_batch, reread
from mesh.crdt.clock import seconds_of, stamp_of
from mesh.crdt.compose import Put
from mesh.crdt.cut import Cut, last_stamp
from mesh.crdt.history import scan_log
from mesh.ids import RecordId, WriterId
from tests.crdt.histories import histories
from tests.crdt.site import NOON, YEARS, Site, exchange

RECORD = RecordId("unit", "BTF/DIPOLE/1")


def cut_at(site: Site, stamp: int) -> dict[WriterId, int]:
    """The position of a cut, after as many passes as it needs."""
    cut = Cut(site.disk, site.ledger.durable.token(), stamp)
    position = cut.position(site.disk)
    while sum(cut.look(site.disk, place[0], reread(decode_batch(row))) for place, row in scan_log(site.disk, position)):
        position = cut.position(site.disk)
    return cut.position(site.disk)


def largest_closed_set(batches: list[OpenBatch], stamp: int) -> dict[WriterId, int]:
    """The same, straight from the definition: take away what may not be in, until nothing has to be."""
    kept = {(o.content.writer, o.content.number): o.content for o in batches if o.content.stamp <= stamp}
    before = -1
    while before != len(kept):
        before = len(kept)
        for place, content in list(kept.items()):
            needs = [(content.writer, content.number - 1)] if content.number > 1 else []
            needs += [(head.writer, head.number) for head in content.after]
            needs += [(dot.writer, dot.number) for change in content.changes for dot in change.over]
            if not all(need in kept for need in needs):
                del kept[place]
    return {writer: max(number for w, number in kept if w == writer) for writer, _ in kept}


@given(histories, st.data())
@settings(max_examples=80, deadline=None)
def test_a_cut_is_the_largest_closed_set(sites: list[Site], data: st.DataObject) -> None:
    exchange(sites)
    batches = sites[0].applied()
    stamps = [opened.content.stamp for opened in batches] or [0]
    stamp = data.draw(st.sampled_from([0, *stamps, *(one - 1 for one in stamps), max(stamps) + 1]))
    assert cut_at(sites[0], stamp) == largest_closed_set(batches, stamp)
    assert cut_at(sites[0], max(stamps)) == sites[0].ledger.durable.token()


def test_what_was_made_upon_a_later_batch_is_out_though_its_own_clock_says_it_was_before() -> None:
    ada, bob = Site("a"), Site("b")
    bob.write(Put(RECORD, "current", 0), now=NOON)
    ada.write(Put(RECORD, "voltage", 1), now=NOON + YEARS)
    bob.pull(ada)
    bob.write(Put(RECORD, "current", 2), now=NOON + 1)
    assert cut_at(bob, stamp_of(NOON + 2)) == {bob.ledger.writer: 1}


@given(st.integers(0, 2**46))
def test_a_moment_read_off_a_change_holds_the_change(milliseconds: int) -> None:
    stamp = milliseconds << 16
    assert stamp <= last_stamp(seconds_of(stamp)) < stamp + (1 << 16)
