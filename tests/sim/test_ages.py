"""A change's age is counted where it is shown, once, and not at who was down when it was said."""

import msgspec

from mesh.crdt.board import Item
from mesh.effects import Posted
from mesh.ids import NodeId
from sim.ages import FOLLOWED, Ages
from sim.run import run
from tests.sim.mesh import scenario


class Machine:
    def __init__(self, number: int, started_at: float = 0.0) -> None:
        self.node, self.started_at = NodeId(number.to_bytes(16, "big")), started_at


def posted(owner: Machine, at: float, *topics: str) -> Posted:
    return Posted(owner.node, tuple(Item(topic, msgspec.msgpack.encode(1), at) for topic in topics))


def test_a_change_counts_once_at_each_that_was_up_when_it_was_said() -> None:
    owner, other, late = Machine(0), Machine(1), Machine(2, started_at=6.0)
    ages = Ages()
    ages.follow([owner, other, late])
    ages.hear(other, posted(owner, 4.0, "a"), 4.5)  # Nobody heard it said: it is older than the following.
    ages.hear(owner, posted(owner, 5.0, "a", "b"), 5.0)
    for host, now in ((other, 5.25), (other, 5.5), (late, 7.0)):
        ages.hear(host, posted(owner, 5.0, "a"), now)
    ages.hear(other, posted(owner, 5.0, "b"), 5.5)
    assert (ages.said, ages.all_s()) == (2, [0.25, 0.5])


def test_few_of_many_owners_are_followed() -> None:
    machines = [Machine(number) for number in range(250)]
    ages = Ages()
    ages.follow(machines)
    for owner in machines:
        ages.hear(owner, posted(owner, 1.0, "a"), 1.0)
    assert FOLLOWED <= ages.said <= 2 * FOLLOWED


def test_a_run_tells_how_old_boards_are_where_they_are_shown() -> None:
    found = run(scenario(workload={"publish_interval_s": 5.0, "settle_s": 10.0}), 1).metrics.propagation.board_s
    assert found is not None
    assert 0.0 < found.p50 < 0.1
