"""Reconcile: two peers become equal, at a cost that follows the difference."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.compose import Put
from mesh.events import Tick
from mesh.gossip import showing
from mesh.gossip.incoming import ANSWER_S, Merged
from mesh.gossip.reconcile import PUSHED_S, SETTLE_S, Ask, Differs
from mesh.ids import BatchHash, Boot, Head, RecordId
from mesh.messages import Batches, BoardVersion, Digests, Heads, Versions
from mesh.messages import Boards as BoardsMessage
from tests.crdt.site import STRANGER, Pen, Site, put
from tests.gossip.circle import address, node
from tests.gossip.sides import Side, talk
from tests.gossip.transcript import check_transcript, line, said

RECORD = RecordId("unit", "BTF/DIPOLE/1")

writes = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.booleans()), max_size=10)


@given(writes, writes, writes)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_two_peers_become_equal_and_send_no_more_than_differs(
    shared: list[tuple[str, int, bool]], mine: list[tuple[str, int, bool]], yours: list[tuple[str, int, bool]]
) -> None:
    one, two = Side("a"), Side("b")
    writers = {name: Site(name) for name in "cd"} | {"a": one.site, "b": two.site}
    for steps, sides in ((shared, (one, two)), (mine, (one,)), (yours, (two,))):
        for name, value, _ in steps:
            author = writers[name] if name in "cd" else sides[0].site
            author.write(Put(RECORD, "current", value))
            for side in sides:
                side.site.pull(author)
    before = {side.name: set(side.site.log()) for side in (one, two)}
    spoken = talk(one, two)
    assert one.site.log() == two.site.log()
    assert one.digests() == two.digests()
    sent = [batch for _, effect in spoken if isinstance(effect.message, Batches) for batch in effect.message.batches]
    assert len(sent) == len(set(sent)) == len(before["a"] ^ before["b"])


def test_equal_peers_exchange_heads_and_nothing_else() -> None:
    one, two = Side("a"), Side("b")
    one.site.write(Put(RECORD, "current", 1))
    two.site.pull(one.site)
    assert [type(effect.message) for _, effect in talk(one, two)] == [Heads, Versions, Heads, Versions]


def test_much_comes_in_parcels_each_asked_for_when_the_last_is_stored() -> None:
    one, two = Side("a"), Side("b")
    for number in range(30):
        two.site.write(Put(RECORD, "current", f"{number}" * 25_000))
    spoken = talk(one, two)
    parcels = [effect.message for _, effect in spoken if isinstance(effect.message, Batches)]
    assert [parcel.more for parcel in parcels] == [True] * (len(parcels) - 1) + [False]
    assert len(parcels) > 1
    assert sum(len(parcel.batches) for parcel in parcels) == 30
    assert one.site.log() == two.site.log()


def test_boards_are_brought_to_the_newest_both_ways() -> None:
    one, two = Side("ada"), Side("bob")
    one.publish(3)
    two.publish(5)
    talk(one, two)
    assert one.boards.digest == two.boards.digest
    assert one.boards.owners()[node("bob")].version == 5


def test_large_boards_come_in_parcels_that_fit_a_frame() -> None:
    one, two = Side("ada"), Side("bob")
    for number in range(9):
        two.publish(1, size=200_000, owner=f"n{number}")
    parcels = [effect.message for _, effect in talk(one, two) if isinstance(effect.message, BoardsMessage)]
    assert len(parcels) > 1
    assert all(sum(len(signed.body) for signed in parcel.deltas) <= showing.PARCEL_BYTES for parcel in parcels)
    assert [parcel.more for parcel in parcels] == [True] * (len(parcels) - 1) + [False]
    assert one.boards.digest == two.boards.digest


def test_a_difference_is_given_time_to_settle_and_then_asked_about_once() -> None:
    one, two = Side("a"), Side("b")
    two.site.write(Put(RECORD, "current", 1))
    differs = Differs(node("b"), address("b"), two.digests())
    assert one.core.deadline() == float("inf")
    assert one.handle(differs, 10.0) == []
    at = one.core.deadline()
    assert 10.0 + SETTLE_S <= at <= 10.0 + 2 * SETTLE_S
    assert one.handle(Tick(), at - 0.01) == []
    (ask,) = one.handle(Tick(), at)
    assert isinstance(ask.message, Heads)
    assert one.handle(Tick(), at + 1) == []
    assert one.core.deadline() == at + ANSWER_S
    assert one.handle(Tick(), at + ANSWER_S) == []
    assert one.core.deadline() == float("inf")


def test_a_difference_that_push_closed_meanwhile_is_not_asked_about() -> None:
    one, two = Side("a"), Side("b")
    two.site.write(Put(RECORD, "current", 1))
    one.handle(Differs(node("b"), address("b"), two.digests()), 10.0)
    one.site.pull(two.site)
    assert one.handle(Tick(), 20.0) == []


def test_while_news_keeps_coming_nobody_is_asked_for_a_bounded_time() -> None:
    one, two = Side("a"), Side("b")
    two.site.write(Put(RECORD, "current", 1))
    one.handle(Differs(node("b"), address("b"), two.digests()), 10.0)
    for step in range(20):
        one.handle(Merged(node("c"), address("c"), 0, False, 1, step), 10.0 + step * 0.2)
        assert one.core.deadline() <= min(10.0 + step * 0.2 + 2 * SETTLE_S, 10.0 + PUSHED_S)
    assert one.core.deadline() == 10.0 + PUSHED_S
    one.handle(Merged(node("b"), address("b"), 0, False, 1, None), 14.0)
    assert isinstance(one.handle(Tick(), 10.0 + PUSHED_S)[0].message, Heads)


def test_an_equal_digest_takes_an_earlier_difference_back() -> None:
    one, two = Side("a"), Side("b")
    one.handle(Differs(node("b"), address("b"), Digests(bytes(16), b"x" * 16, bytes(16))), 10.0)
    one.handle(Differs(node("b"), address("b"), two.digests()), 10.1)
    assert one.handle(Tick(), 20.0) == []


def test_gaps_are_asked_about_but_not_again_and_again() -> None:
    one = Side("a")
    ask = Ask(STRANGER, address("b"))
    silent = ANSWER_S + 0.1
    asked = []
    for second in (0, 0.5, 0.9, 1.9, silent, silent + 0.9, 2 * silent):
        one.handle(Tick(), 10.0 + second)
        asked.append(len(one.handle(ask, 10.0 + second)))
    assert asked == [1, 0, 0, 0, 1, 0, 1]


def test_what_the_other_knows_of_our_own_writer_is_told() -> None:
    one, two = Side("a"), Side("b")
    talk(one, two)
    assert one.own == [None]
    head = one.site.write(Put(RECORD, "current", 1))
    two.site.pull(one.site)
    talk(one, two)
    assert one.own[1:] == [head]


@pytest.mark.parametrize("number", [-1, -(2**63), 2**64 - 1, 0])
def test_hostile_heads_are_answered_or_ignored_and_nothing_worse(number: int) -> None:
    one = Side("a")
    head = one.site.write(Put(RECORD, "current", 1))
    board = BoardVersion(node("ada"), Boot(number, 0), number)
    for hostile in (msgspec.structs.replace(head, number=number), Head(b"", number, b"")):
        one.hear("b", Heads((hostile, hostile), False, credit=3))
    one.hear("b", Versions((board, BoardVersion(node("ada"), Boot(1, 1), 1)), True))
    assert one.site.fields(RECORD) == {"current": 1}


def test_the_transcript_of_two_peers_that_differ_is_as_it_was() -> None:
    """Each of two peers has written and published what the other lacks. MESH_GOLDEN=1 rewrites the transcript."""
    ada, bob = Side("ada"), Side("bob")
    for side, count in ((ada, 2), (bob, 3)):
        for number in range(count):
            side.site.write(Put(RECORD, f"{side.name}{number}", number))
        side.publish(count)
    spoken = [f"{speaker.name}: {line(effect)}" for speaker, effect in talk(ada, bob)]
    check_transcript("reconcile", spoken)
    assert ada.digests() == bob.digests()
    assert said(Heads((), True)) == "heads none and yours?"


def forked(common: int, mine: int, yours: int) -> tuple[Side, Side]:
    """Two peers that hold one writer's batches, and from number `common` on each a branch of its own."""
    ada, bob, pen = Side("ada"), Side("bob"), Pen()
    before = [pen.next(put(RECORD, "current", number)) for number in range(common)]
    other = pen.copy()
    ada.site.merge(*before, *(pen.next(put(RECORD, "current", number)) for number in range(mine)))
    bob.site.merge(*before, *(other.next(put(RECORD, "voltage", number)) for number in range(yours)))
    return ada, bob


@pytest.mark.parametrize(("common", "mine", "yours"), [(0, 1, 1), (0, 5, 2), (3, 1, 1), (40, 7, 1), (40, 1, 30)])
def test_two_branches_of_one_writer_are_brought_together(common: int, mine: int, yours: int) -> None:
    ada, bob = forked(common, mine, yours)
    for _ in range(3):
        list(talk(ada, bob))
    assert ada.digests() == bob.digests()
    assert ada.site.sight() == bob.site.sight()
    assert len(ada.site.log()) == common + mine + yours
    assert not [effect for _, effect in talk(ada, bob) if isinstance(effect.message, Batches)]


def test_anchors_are_told_once_for_each_tip_and_batches_only_from_about_where_the_branches_part() -> None:
    ada, bob = forked(200, 2, 2)
    spoken = [effect.message for _ in range(3) for _, effect in talk(ada, bob)]
    sent = sum(len(message.batches) for message in spoken if isinstance(message, Batches))
    assert 4 <= sent <= 12
    assert max(len(message.heads) for message in spoken if isinstance(message, Heads)) <= 12
    unknown = Heads((Head(next(iter(ada.ledger.durable.lines)), 3, BatchHash(b"?" * 32)),), False, session=5)
    assert len(ada.hear("eve", unknown)) == 1
    assert ada.hear("eve", unknown) == []
