"""Evidence: a bounded ring."""

from mesh.gossip.evidence import ENTRIES_MAX, Entry, Evidence
from tests.gossip.circle import node


def test_the_newest_pieces_about_a_member_are_kept_in_their_order() -> None:
    evidence = Evidence()
    evidence.note(1.0, node("bob"), "first", (node("cyd"),))
    evidence.note(2.0, node("cyd"), "other")
    evidence.note(3.0, node("bob"), "second")
    assert evidence.about(node("bob")) == [
        Entry(1.0, node("bob"), "first", (node("cyd"),), 1.0),
        Entry(3.0, node("bob"), "second", (), 3.0),
    ]
    for number in range(ENTRIES_MAX - 1):
        evidence.note(4.0, node("dan"), str(number))
    assert [entry.said for entry in evidence.about(node("bob"))] == ["second"]


def test_what_is_found_again_and_again_is_one_piece() -> None:
    evidence = Evidence()
    for at in range(2 * ENTRIES_MAX):
        evidence.note(float(at), node("bob"), "no stream")
        evidence.note(float(at), node("cyd"), str(at % 2))
    (entry,) = evidence.about(node("bob"))
    assert (entry.at, entry.until, entry.times) == (0.0, 2.0 * ENTRIES_MAX - 1, 2 * ENTRIES_MAX)
    evidence.note(9e9, node("bob"), "no stream", (node("cyd"),))
    assert [entry.times for entry in evidence.about(node("bob"))] == [2 * ENTRIES_MAX, 1]
