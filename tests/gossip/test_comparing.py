"""Comparing: whatever two rosters lack of each other, a handful of messages brings, and no more than that."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mesh.effects import Send, Stream
from mesh.events import Received
from mesh.gossip.comparing import BULK, PAGE_BYTES, Comparing
from mesh.ids import NodeId
from mesh.messages import Message, RosterMarks, RosterPage, RosterSums, Standing
from mesh.security.trust import fingerprint
from tests.gossip.circle import CONFIG, accusation, address, claim, node, rng, roster, sign, signed

names = st.lists(st.sampled_from([f"n{number}" for number in range(40)]), unique=True, max_size=40)


class Side:
    """One of two that compare, with everything that it said."""

    def __init__(self, name: str, *others: str) -> None:
        self.name, self.roster = name, roster(name, *others)
        self.core = Comparing(self.roster, CONFIG, rng(), 0.0)
        self.said: list[Message] = []

    def hear(self, message: Message, sender: NodeId) -> list[Message]:
        received = Received(sender, address("eve"), message)
        match message:
            case RosterSums():
                effects = self.core.on_sums(received, message)
            case RosterMarks():
                effects = self.core.on_marks(received, message)
            case RosterPage():
                news = [self.roster.hear(piece, 1.0) for piece in (*message.claims, *message.accusations)]
                effects = self.core.on_page(received, message, sum(bool(heard.spread) for heard in news), 1.0)
        answers = [effect.message for effect in effects]
        self.said += answers
        return answers


def compare(one: Side, two: Side) -> int:
    """Let the first begin. Returns how many messages it took."""
    effects = one.core.begin(node(two.name), address(two.name), 1.0)
    waiting = [(two, one, effect.message) for effect in effects]
    count = 0
    while waiting:
        to, source, message = waiting.pop(0)
        count += 1
        waiting += [(source, to, answer) for answer in to.hear(message, source.roster.me)]
    return count


@given(names, names, names)
def test_two_that_compare_hold_the_same_afterwards(mine: list[str], yours: list[str], down: list[str]) -> None:
    one, two = Side("ada", "bob", *mine), Side("bob", "ada", *yours)
    for name in down:
        two.roster.hear(accusation(name), 0.5)
    assert compare(one, two) <= 4
    assert one.roster.digest == two.roster.digest
    assert {m.claim.node for m in one.roster.members()} == {m.claim.node for m in two.roster.members()}


def test_what_both_hold_is_not_sent() -> None:
    same = [f"n{number}" for number in range(300)]
    one, two = Side("ada", "bob", *same), Side("bob", "ada", *same, "dan")
    compare(one, two)
    pages = [message for message in (*one.said, *two.said) if isinstance(message, RosterPage)]
    assert [claims for page in pages for claims in page.claims] == [signed("dan")]
    (marks,) = [message for message in two.said if isinstance(message, RosterMarks)]
    assert len(marks.marks) < 24 * 20


def test_a_page_never_outgrows_a_frame() -> None:
    one, two = Side("ada", "bob"), Side("bob", "ada")
    for number in range(PAGE_BYTES // 7_000 + 9):
        said = claim(f"n{number:03}".ljust(60, "-"))
        key = said.key.ljust(7_000, b"-")
        one.roster.hear(sign(msgspec.structs.replace(said, key=key, node=fingerprint(key))), 0.0)
    compare(one, two)
    pages = [message for message in one.said if isinstance(message, RosterPage)]
    assert len(pages) > 1
    assert all(sum(len(claim.body) for claim in page.claims) <= PAGE_BYTES for page in pages)
    assert len(two.roster.members()) == len(one.roster.members())


def test_who_compares_is_answered_where_it_is_and_on_the_plane_on_which_it_spoke() -> None:
    sums = RosterSums(bytes(64 * 8))
    for others in ((), ("bob",)):
        core = Side("ada", *others).core
        for streamed, carry in ((True, Stream), (False, Send)):
            (answer,) = core.on_sums(Received(node("bob"), address("eve"), sums, streamed), sums)
            assert isinstance(answer, carry)
            assert answer.at == address("eve"), "a copy of bob's disk would never hear of bob"


def test_a_comparison_that_brought_much_is_followed_by_one_with_somebody_else() -> None:
    side = Side("ada", "bob", "cyd")
    page = RosterPage((), ())
    side.core.on_page(Received(node("bob"), address("bob"), page), page, BULK, 1.0)
    assert side.core.tick(9.0) == []
    side.core.on_page(Received(node("bob"), address("bob"), page), page, BULK + 1, 1.0)
    (effect,) = side.core.tick(side.core.deadline())
    assert isinstance(effect.message, RosterSums)
    assert side.core.tick(9.0) == []


def test_marks_cut_short_say_nothing_and_break_nothing() -> None:
    side = Side("ada", "bob")
    span = Side("bob").core.on_sums(
        Received(node("ada"), address("ada"), RosterSums(bytes(512))), RosterSums(bytes(512))
    )
    marks = RosterMarks(span[0].message.span, b"short")
    assert len(side.core.on_marks(Received(node("bob"), address("bob"), marks), marks)) <= 1


def test_a_departed_member_is_compared_like_any_other() -> None:
    one, two = Side("ada", "bob", "cyd"), Side("bob", "ada", "cyd")
    two.roster.hear(signed("cyd", counter=1, standing=Standing.LEFT), 0.5)
    compare(one, two)
    assert one.roster.get(node("cyd")).standing is Standing.LEFT
