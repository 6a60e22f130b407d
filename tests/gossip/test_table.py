"""The table of links answers which link is nearest, longest, stalest."""

from mesh.gossip.table import FAR_S, Link, Table
from mesh.messages import HINTS_MAX
from tests.gossip.circle import node


def table(**links: Link) -> Table:
    made = Table(8)
    for name, link in links.items():
        made.add(node(name), link)
    return made


def test_what_was_not_measured_is_taken_to_be_far() -> None:
    held = table(bob=Link(True, True, None, 9), cyd=Link(True, False, 0.3, 9))
    assert held.distance_s(node("bob")) == held.distance_s(node("stranger")) == FAR_S
    assert held.longest_near() == node("cyd")
    assert held.nearest() == (node("cyd"),)


def test_links_are_found_by_what_they_are() -> None:
    held = table(
        bob=Link(False, True, 0.1, 20),
        cyd=Link(False, False, 0.2, 10),
        dan=Link(True, False, 0.05, 5),
    )
    assert held.stalest() == node("cyd")
    assert held.nearest_lazy() == node("dan")
    assert (held.count(near=True), held.count(near=False), held.eager_count()) == (1, 2, 1)


def test_hints_are_few_and_the_table_is_bounded() -> None:
    held = Table(6)
    for number in range(6):
        held.add(node(str(number)), Link(True, True, number / 10, 9))
    assert held.full
    assert held.nearest() == tuple(node(str(number)) for number in range(HINTS_MAX))
    held.check()


def test_an_empty_table_has_no_answer() -> None:
    assert (table().stalest(), table().longest_near(), table().nearest_lazy(), table().nearest()) == (None,) * 3 + ((),)
