"""Lanes: every kind of news gets its share, whatever waits in the others, and nobody's queue grows without end."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.board import SignedDelta
from mesh.gossip.lanes import PACES, PEER_BYTES_MAX, Lane, Lanes, cost
from mesh.gossip.recent import Item
from tests.gossip.circle import node

BUDGET = 1e6
BOB, CYD = node("bob"), node("cyd")


def item(number: int, size: int = 500) -> Item:
    return Item(number.to_bytes(8, "big"), 0.0, said=SignedDelta(bytes(size), b""), size=size)


def filled(lane: Lane, count: int, size: int = 500, lanes: Lanes | None = None) -> Lanes:
    made = lanes or Lanes(BUDGET, 0.0)
    for number in range(count):
        made.put(lane, BOB, item(number).mark, item(number, size), 0.0)
    return made


def test_what_comes_after_a_silence_leaves_at_once_and_what_follows_gathers() -> None:
    lanes = filled(Lane.LEDGER, 1)
    assert next(taken for _, _, taken in lanes.take(0.0)).size == 500
    lanes.put(Lane.LEDGER, BOB, b"a", item(1), 0.001)
    lanes.put(Lane.LEDGER, CYD, b"b", item(2), 0.002)
    assert lanes.take(0.002) == []
    assert lanes.ready_at == PACES[Lane.LEDGER].window_s
    assert [to for _, to, _ in lanes.take(lanes.ready_at)] == [BOB, CYD]


def test_marks_wait_until_most_know_unless_they_are_hurried() -> None:
    lanes = filled(Lane.MARKS, 3)
    assert lanes.take(0.0) == []
    lanes.hurry(0.0)
    assert len(lanes.take(0.0)) == 3


def test_of_one_key_only_the_newest_leaves() -> None:
    lanes = Lanes(BUDGET, 0.0)
    for number in range(5):
        assert lanes.put(Lane.BOARD, BOB, b"owner", item(number), 0.0)
    assert [taken.mark for _, _, taken in lanes.take(1.0)] == [item(4).mark]


def test_a_peer_that_takes_in_too_little_gets_no_more_and_others_do() -> None:
    lanes = filled(Lane.BOARD, PEER_BYTES_MAX // 64_000, 64_000)
    assert lanes.put(Lane.LEDGER, BOB, b"w", item(1, PEER_BYTES_MAX % 64_000), 0.0)
    assert not lanes.put(Lane.LEDGER, BOB, b"x", item(1), 0.0)
    assert lanes.put(Lane.LEDGER, CYD, b"x", item(1), 0.0)


def test_the_budget_holds_over_time() -> None:
    lanes, sent, now = filled(Lane.BOARD, 500), 0, 0.0
    while lanes.ready_at < 1.0:
        now = max(now, lanes.ready_at)
        sent += sum(cost(lane, taken) for lane, _, taken in lanes.take(now))
    assert sent == 250_000
    assert now >= (250_000 - 2 * 0.05 * BUDGET) / BUDGET


def test_a_burst_in_one_lane_does_not_starve_another() -> None:
    lanes = Lanes(BUDGET, 0.0)
    filled(Lane.BOARD, 400, lanes=lanes)
    for number in range(100):
        lanes.put(Lane.LEDGER, CYD, item(number).mark, item(number), 0.0)
    ledger = [lane is Lane.LEDGER for lane, _, _ in lanes.take(0.0)]
    assert sum(ledger) >= len(ledger) // 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Lane), st.sampled_from([BOB, CYD]), st.integers(0, 9), st.integers(1, PEER_BYTES_MAX // 5)
        ),
        max_size=60,
    )
)
def test_what_was_taken_in_leaves_once_and_the_lanes_stay_whole(
    puts: list[tuple[Lane, bytes, int, int]],
) -> None:
    lanes, now, waiting = Lanes(BUDGET, 0.0), 0.0, {}
    for lane, to, key, size in puts:
        made = item(key, size)
        if lanes.put(lane, to, made.mark, made, now):
            waiting[lane, to, made.mark] = made
        lanes.check()
    left = []
    while lanes.ready_at != float("inf"):
        now = max(now, lanes.ready_at)
        left += [((lane, to, taken.mark), taken) for lane, to, taken in lanes.take(now)]
        lanes.check()
    assert dict(left) == waiting
    assert len(left) == len(waiting)


Put = tuple[Lane, bytes, int, int]
MORE_THAN_THE_BUDGET = [(lane, BOB, 10 + number, 2_000) for number in range(30) for lane in (Lane.BOARD, Lane.LEDGER)]


def puts_in(lanes: st.SearchStrategy[Lane], sizes: st.SearchStrategy[int], most: int) -> st.SearchStrategy[list[Put]]:
    return st.lists(st.tuples(lanes, st.sampled_from([BOB, CYD]), st.integers(0, 5), sizes), max_size=most)


def put_in_both(both: tuple[Lanes, Lanes], puts: list[Put], now: float) -> None:
    for lane, to, key, size in puts:
        made = item(key, size)
        room = [lanes.put(lane, to, made.mark, made, now) for lanes in both]
        assert room[0] == room[1]


@given(
    st.sampled_from([Lane.LEDGER, Lane.BOARD, Lane.BOARD_MARKS]),
    st.integers(1, 1_000) | st.integers(50_000, 90_000),
    puts_in(st.just(Lane.LEDGER), st.integers(1, 3_000), 14),
    st.lists(puts_in(st.sampled_from(Lane), st.integers(1, 40_000), 4), max_size=6),
)
def test_a_lane_that_leaves_alone_leaves_as_it_would_in_turns(
    lane: Lane, rest: int, puts: list[Put], later: list[list[Put]]
) -> None:
    """Before a mark, or beside it: the same leaves, and what comes later finds the same budget, credit and pace."""
    both = alone, beside = Lanes(BUDGET, 0.0), Lanes(BUDGET, 0.0)
    put_in_both(both, [(lane, BOB, 7, rest), (lane, CYD, 8, 500)], 0.0)
    assert alone.take(0.0) == beside.take(0.0)  # Of the two the second may stay, with credit.
    put_in_both(both, [(lane, to, key, size) for _, to, key, size in puts], 1.0)
    alone.hurry(1.0)
    left = alone.take(1.0)
    put_in_both(both, [(Lane.MARKS, CYD, 9, 500)], 1.0)
    for lanes in both:
        lanes.hurry(1.0)
    assert alone.take(1.0)
    assert left == [one for one in beside.take(1.0) if one[0] is lane]
    for number, together in enumerate([*later, MORE_THAN_THE_BUDGET]):
        now = 1.0 + number / 1_000
        put_in_both(both, together, now)
        assert alone.take(now) == beside.take(now)
        assert alone.ready_at == beside.ready_at
    while beside.ready_at < inf:
        now = beside.ready_at
        assert alone.take(now) == beside.take(now)
        assert alone.ready_at == beside.ready_at
    alone.check()
