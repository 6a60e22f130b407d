"""Evidence: a bounded ring."""

from mesh.gossip.evidence import ENTRIES_MAX, Entry, Evidence
from tests.gossip.circle import node


def test_the_newest_pieces_about_a_member_are_kept_in_their_order() -> None:
    evidence = Evidence()
    evidence.note(1.0, node("bob"), "first", (node("cyd"),))
    evidence.note(2.0, node("cyd"), "other")
    evidence.note(3.0, node("bob"), "second")
    assert evidence.about(node("bob")) == [
        Entry(1.0, node("bob"), "first", (node("cyd"),)),
        Entry(3.0, node("bob"), "second"),
    ]
    for number in range(ENTRIES_MAX - 1):
        evidence.note(4.0, node("dan"), str(number))
    assert [entry.said for entry in evidence.about(node("bob"))] == ["second"]
