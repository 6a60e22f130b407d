"""Wanted: what others have and did not come is asked for, at the nearest first, at each twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.table import Link, Table
from mesh.gossip.wanted import ASKED_MAX, FIRST_WAIT_S, MARGIN_S, WANTED_MAX, Wanted
from mesh.ids import NodeId
from tests.gossip.circle import node

MARK = b"a mark.."
BOB, CYD = node("bob"), node("cyd")


def wanted(**rtt_s: float) -> Wanted:
    table = Table(8)
    for name, distance in rtt_s.items():
        table.add(node(name), Link(True, False, distance, 9))
    return Wanted(table)


def test_an_item_that_comes_in_time_is_not_asked_for() -> None:
    core = wanted(bob=0.01)
    core.has(MARK, BOB, 0.0)
    assert core.ask(FIRST_WAIT_S / 2) == {}
    core.came(MARK)
    assert core.ask(1.0) == {}
    assert core.deadline() == float("inf")


def test_a_missed_item_is_asked_for_at_the_nearest_and_then_at_the_next() -> None:
    core = wanted(bob=0.1, cyd=0.02)
    core.has(MARK, BOB, 0.0)
    core.has(MARK, CYD, 0.01)
    core.has(MARK, CYD, 0.02)
    asked_at = core.deadline()
    assert asked_at == FIRST_WAIT_S
    assert core.ask(asked_at) == {CYD: [MARK]}
    assert core.deadline() == asked_at + 0.02 + MARGIN_S
    assert [list(core.ask(core.deadline())) for _ in range(4)] == [[BOB], [CYD], [BOB], []]
    assert core.deadline() == float("inf")
    core.check()


def test_a_near_one_that_tells_later_is_asked_while_the_answer_of_a_far_one_is_under_way() -> None:
    core = wanted(bob=0.1, cyd=0.02, dan=0.015)
    core.has(MARK, BOB, 0.0)
    assert core.ask(FIRST_WAIT_S) == {BOB: [MARK]}
    core.has(MARK, CYD, 0.04)
    assert core.ask(0.04) == {CYD: [MARK]}
    core.has(MARK, node("dan"), 0.05)  # Hardly nearer than Cyd.
    assert core.ask(0.05) == {}
    assert core.deadline() == 0.04 + 0.02 + MARGIN_S
    core.check()


PEERS = {"bob": 0.1, "cyd": 0.02, "dan": 0.001, "eve": 0.3}
MARKS = [bytes([number]) * 8 for number in range(3)]
STEPS = st.lists(
    st.tuples(st.sampled_from(["has", "ask", "came"]), st.sampled_from(MARKS), st.sampled_from(sorted(PEERS))),
    max_size=60,
)


@given(STEPS, st.sampled_from([0.001, 0.02, 0.1]))
def test_each_that_has_it_is_asked_twice_at_most_and_nobody_once_it_came(
    steps: list[tuple[str, bytes, str]], pace_s: float
) -> None:
    core, asked = wanted(**PEERS), Counter[tuple[bytes, NodeId]]()
    told: dict[bytes, list[NodeId]] = {mark: [] for mark in MARKS}
    for number, (verb, mark, name) in enumerate(steps):
        if verb == "came":
            core.came(mark)
            told.pop(mark, None)
        elif verb == "ask":
            now = [(one, who) for who, marks in core.ask(number * pace_s).items() for one in marks]
            assert all(who in told[one] for one, who in now)
            asked.update(now)
        elif node(name) not in told.get(mark, [node(name)]):
            told[mark].append(node(name))
            core.has(mark, node(name), number * pace_s)
        core.check()
    assert max(asked.values(), default=0) <= ASKED_MAX


def test_what_is_missed_together_is_asked_for_together() -> None:
    core = wanted(bob=0.01)
    for number in range(3):
        core.has(bytes([number]) * 8, BOB, 0.0)
    assert core.ask(1.0) == {BOB: [bytes([number]) * 8 for number in range(3)]}


def test_a_peer_that_claims_to_have_everything_does_not_fill_the_memory() -> None:
    core = wanted()
    for number in range(WANTED_MAX + 5):
        core.has(number.to_bytes(8, "big"), BOB, 0.0)
    core.check()


def test_a_moment_that_a_question_was_moved_from_means_nothing() -> None:
    core, dan = wanted(bob=0.5, cyd=0.02, dan=0.02), node("dan")
    core.has(MARK, BOB, 0.0)
    assert core.ask(FIRST_WAIT_S) == {BOB: [MARK]}
    core.has(MARK, CYD, 0.05)
    for whom in (CYD, CYD, BOB):
        assert list(core.ask(core.deadline())) == [whom]
    assert core.ask(0.6) == {}
    core.has(MARK, dan, 0.61)
    assert core.ask(0.61) == {dan: [MARK]}
