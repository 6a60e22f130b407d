"""Boards: whole deltas or deltas without a gap, of one boot, in any order of arrival.

Invariant: the version held never outruns the items held.
"""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.board import (
    CHAIN_MAX,
    DELTA_BYTES_MAX,
    DOMAIN,
    Boards,
    Delta,
    Item,
    SignedDelta,
    encode_delta,
    read_delta,
)
from mesh.crdt.publisher import PERIOD_S, Publisher, read_item
from mesh.crdt.replica import MemoryReplica
from mesh.errors import MalformedMessage
from mesh.ids import Boot, MeshId, NodeId
from tests.crdt.site import MESH

OWNER = NodeId(b"owner of a board")
FIRST, SECOND = Boot(1, 9), Boot(2, 3)
Posted = tuple[Delta, SignedDelta]
topics = st.sampled_from(("node", "unit/a", "unit/b", "unit/c"))
published = st.lists(st.lists(st.tuples(topics, st.none() | st.integers(0, 9)), min_size=1, max_size=4), max_size=25)


def publisher(boot: Boot = FIRST, now: float = 0.0) -> Publisher:
    return Publisher(MESH, OWNER, boot, lambda body: b"signed", now)


def boards() -> Boards:
    return Boards(MESH, MemoryReplica())


def life(boot: Boot, seconds: Sequence[list[tuple[str, object]]]) -> tuple[list[Posted], dict[str, object]]:
    """What an owner publishes in one life, a list of changes each second, and what its board holds at the end."""
    source, deltas, held = publisher(boot), [], {}
    for second, changes in enumerate(seconds):
        for topic, value in changes:
            source.publish(topic, value, second)
            held[topic] = value
        if flushed := source.flush(second * PERIOD_S):
            deltas.append(flushed)
    return deltas, {topic: value for topic, value in held.items() if value is not None}


def items(held: Boards) -> dict[str, object]:
    board = held.owners().get(OWNER)
    return {topic: read_item(item) for topic, item in board.items.items()} if board is not None else {}


@given(published, published, st.data())
@settings(max_examples=80, deadline=None)
def test_boards_agree_whatever_the_order_of_arrival(
    first: list[list[tuple[str, object]]], second: list[list[tuple[str, object]]], data: st.DataObject
) -> None:
    older, before = life(FIRST, first)
    newer, after = life(SECOND, second)
    held, order = boards(), data.draw(st.permutations(older + newer))
    for _ in order:
        for delta, signed in order:
            held.merge(delta, signed)
    straight = boards()
    for delta, signed in older + newer:
        straight.merge(delta, signed)
    assert items(held) == items(straight) == (after if newer else before)
    assert held.digest == straight.digest


@given(published, st.data())
@settings(max_examples=80, deadline=None)
def test_a_board_never_advances_over_a_gap(seconds: list[list[tuple[str, object]]], data: st.DataObject) -> None:
    deltas, _ = life(FIRST, seconds)
    truth: dict[int, dict[str, object]] = {}
    straight = boards()
    for delta, signed in deltas:
        straight.merge(delta, signed)
        truth[delta.version] = items(straight)
    held = boards()
    for delta, signed in data.draw(st.lists(st.sampled_from(deltas), max_size=20)) if deltas else ():
        gap, follows = held.gap(delta), held.follows(delta)
        assert not (gap and follows)
        assert (held.merge(delta, signed) is not None) == follows
        if board := held.owners().get(OWNER):
            assert items(held) == truth[board.version]


@given(published, st.data())
@settings(max_examples=80, deadline=None)
def test_any_holder_can_bring_any_other_to_what_it_holds(
    seconds: list[list[tuple[str, object]]], data: st.DataObject
) -> None:
    deltas, _ = life(SECOND, seconds)
    ahead, behind = boards(), boards()
    known = data.draw(st.integers(0, len(deltas)))
    for delta, signed in deltas:
        ahead.merge(delta, signed)
    for delta, signed in data.draw(st.sampled_from((deltas[:known], life(FIRST, seconds[:known])[0]))):
        behind.merge(delta, signed)
    board = behind.owners().get(OWNER)
    state = (board.boot, board.version) if board is not None else (Boot(-1, 0), 0)
    for signed in ahead.since(OWNER, *state):
        assert behind.merge(read_delta(signed, MESH), signed) is not None
    if deltas:
        assert items(behind) == items(ahead)
        assert behind.digest == ahead.digest


@given(published)
@settings(max_examples=50, deadline=None)
def test_boards_come_back_from_the_replica(seconds: list[list[tuple[str, object]]]) -> None:
    disk, held = MemoryReplica(), boards()
    for delta, signed in life(FIRST, seconds)[0]:
        disk.write((held.merge(delta, signed),))
    again = Boards(MESH, disk)
    assert (items(again), again.digest) == (items(held), held.digest)


@given(published, published, st.data())
@settings(max_examples=80, deadline=None)
def test_whoever_folds_what_is_shown_holds_the_board_whatever_got_lost(
    first: list[list[tuple[str, object]]], second: list[list[tuple[str, object]]], data: st.DataObject
) -> None:
    deltas = [*life(FIRST, first)[0], *life(SECOND, second)[0]]
    held, shown = boards(), {}
    for delta, signed in (posted for posted in deltas if data.draw(st.booleans())):
        removed = held.removed_by(delta)
        if held.merge(delta, signed) is not None:
            shown.update({item.topic: item for item in (*delta.items, *removed)})
    assert {topic: read_item(item) for topic, item in shown.items() if item.value is not None} == items(held)


def test_a_new_boot_drops_all_older_items_and_an_older_one_says_nothing() -> None:
    held = boards()
    (old,), _ = life(FIRST, [[("unit/a", 1)]])
    (new,), _ = life(SECOND, [[("node", 2)]])
    held.merge(*old)
    held.merge(*new)
    assert items(held) == {"node": 2}
    assert held.merge(*old) is None
    assert not held.gap(old[0])


def test_at_most_one_delta_is_published_per_period() -> None:
    source = publisher()
    assert source.deadline() == float("inf")
    source.publish("node", 1, 0.0)
    assert source.deadline() == 0.0
    assert source.flush(0.0) is not None
    source.publish("node", 2, 0.1)
    source.publish("node", 3, 0.2)
    assert source.deadline() == PERIOD_S
    assert source.flush(0.9) is None
    delta, signed = source.flush(PERIOD_S)
    assert [read_item(item) for item in delta.items] == [3]
    assert read_delta(signed, MESH) == delta
    assert source.flush(9.0) is None


def test_the_chain_of_deltas_is_bounded() -> None:
    held = boards()
    for delta, signed in life(FIRST, [[(f"unit/{n}", n) for n in range(20)]] + [[("node", n)] for n in range(99)])[0]:
        held.merge(delta, signed)
        assert len(held.owners()[OWNER].chain) <= CHAIN_MAX + 1


def test_a_topic_taken_away_goes_everywhere() -> None:
    deltas, _ = life(FIRST, [[(f"unit/{n}", n) for n in range(9)], [("unit/3", None)]])
    held = boards()
    for delta, signed in deltas:
        held.merge(delta, signed)
    assert deltas[-1][0].start == 1
    assert sorted(items(held)) == [f"unit/{n}" for n in range(9) if n != 3]
    assert read_item(deltas[-1][0].items[0]) is None


GOOD = Delta(DOMAIN, MESH, OWNER, FIRST, 0, 1, (Item("node", b"\x01", 0.0),))


@pytest.mark.parametrize(
    "given",
    [{"domain": "other"}, {"mesh": MeshId(b"a foreign mesh!!")}, {"start": 1}, {"start": -1}, {"version": 0}],
)
def test_a_delta_of_another_mesh_or_one_that_leads_nowhere_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        read_delta(SignedDelta(encode_delta(msgspec.structs.replace(GOOD, **given)), b""), MESH)


@given(st.binary(max_size=60))
def test_any_bytes_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_delta(SignedDelta(body, b""), MESH)


@pytest.mark.parametrize("body", [bytes(DELTA_BYTES_MAX + 1), b"\x98" + b"\x91" * 5_000, encode_delta(GOOD)[:-1]])
def test_bombs_and_stumps_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_delta(SignedDelta(body, b""), MESH)
