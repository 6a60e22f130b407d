"""Wanted: what others have and did not come is asked for, at the nearest first, at each twice."""

from mesh.gossip.table import Link, Table
from mesh.gossip.wanted import FIRST_WAIT_S, MARGIN_S, WANTED_MAX, Wanted
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
    assert core.ask(FIRST_WAIT_S) == {}
    core.came(MARK)
    assert core.ask(1.0) == {}
    assert core.deadline() == float("inf")


def test_a_missed_item_is_asked_for_at_the_nearest_and_then_at_the_next() -> None:
    core = wanted(bob=0.1, cyd=0.02)
    core.has(MARK, BOB, 0.0)
    core.has(MARK, CYD, 0.01)
    core.has(MARK, CYD, 0.02)
    asked_at = core.deadline()
    assert asked_at == FIRST_WAIT_S + 0.05
    assert core.ask(asked_at) == {CYD: [MARK]}
    assert core.deadline() == asked_at + 0.02 + MARGIN_S
    assert [list(core.ask(core.deadline())) for _ in range(4)] == [[BOB], [CYD], [BOB], []]
    assert core.deadline() == float("inf")
    core.check()


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
