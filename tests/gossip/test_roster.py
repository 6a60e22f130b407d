"""The roster: who is here, the same whatever the order in which it was heard.

Invariant: only the member itself overrides what is said of it.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import MalformedMessage
from mesh.gossip.lives import OUTRANKED_MAX
from mesh.gossip.roster import NOTHING, NUMBER_MAX, Heard, Roster, read_claim
from mesh.ids import Address, Boot
from mesh.messages import Accusation, Newsflash, SignedClaim, Standing
from sim.trust import CheapTrust
from tests.gossip.circle import accusation, address, claim, node, roster, sign, signed

numbers = st.integers(0, 3)
about_bob = st.one_of(
    st.builds(lambda counter, boot: signed("bob", counter, boot), numbers, st.integers(1, 3)),
    st.builds(
        lambda counter, boot, standing, accuser: accusation("bob", counter, boot, standing, accuser),
        numbers,
        st.integers(1, 3),
        st.sampled_from((Standing.SUSPECT, Standing.DOWN)),
        st.sampled_from(("cyd", "eve")),
    ),
)


def names(heard: Heard) -> list[str]:
    return [event.name for event in heard.events]


def state(known: Roster) -> tuple[object, ...]:
    bob = known.get(node("bob"))
    return (bob.claim, bob.standing, known.digest)


def after(pieces: list[Newsflash]) -> Roster:
    known = roster("ada", "bob")
    for piece in pieces:
        known.hear(piece, 1.0)
        known.check()
    return known


def said_again(news: list[Newsflash]) -> list[Newsflash]:
    """What is said of bob after what bob says himself: an accusation of a claim that is not known counts only then."""
    return [*news, *(piece for piece in news if isinstance(piece, Accusation))]


@given(st.lists(about_bob, max_size=8), st.none() | st.tuples(numbers, st.integers(1, 3)), st.data())
@settings(max_examples=300)
def test_the_same_news_in_any_order_ends_in_the_same_standing(
    news: list[Newsflash], left: tuple[int, int] | None, data: st.DataObject
) -> None:
    if left is not None:  # A member says one thing per (boot, counter).
        counter, boot = left
        news = [piece for piece in news if piece != signed("bob", counter, boot)]
        news.append(signed("bob", counter, boot, Standing.LEFT))
        if (boot, counter) == (1, 0):
            return  # It was already heard alive under that number.
    shuffled = data.draw(st.permutations(news + data.draw(st.lists(st.sampled_from(news), max_size=3)) if news else []))
    assert state(after(said_again(shuffled))) == state(after(said_again(news)))


@given(st.lists(about_bob, max_size=10))
@settings(max_examples=200)
def test_a_piece_heard_again_is_not_spread_again(news: list[Newsflash]) -> None:
    known = after(said_again(news))
    for piece in news:
        assert known.hear(piece, 2.0).spread == ()


@given(st.lists(about_bob, max_size=8), st.lists(about_bob, max_size=8))
@settings(max_examples=200)
def test_two_rosters_agree_after_they_exchanged_their_pages(one: list[Newsflash], two: list[Newsflash]) -> None:
    mine, yours = after(one), after(two)
    for _ in range(2):
        for to, source in ((mine, yours), (yours, mine)):
            claims, accusations = source.page()
            for piece in (*claims, *accusations):
                if not (isinstance(piece, SignedClaim) and read_claim(piece, CheapTrust("x")).name == "ada"):
                    to.hear(piece, 2.0)
    assert state(mine) == state(yours)


def test_a_new_member_is_told_once() -> None:
    known = roster("ada")
    heard = known.hear(signed("bob"), 1.0)
    assert names(heard) == ["member.alive"]
    assert heard.spread == ((node("bob"), signed("bob")),)
    assert known.hear(signed("bob"), 2.0) == NOTHING
    assert list(known.others()) == [node("bob")]
    assert known.find("bob") == node("bob")
    assert known.address(node("bob")) == Address("bob.example", 7000)


def test_a_suspect_takes_part_until_it_is_down() -> None:
    known = roster("ada", "bob")
    digest = known.digest
    assert names(known.hear(accusation("bob", standing=Standing.SUSPECT), 1.0)) == ["member.suspect"]
    assert list(known.others()) == [node("bob")]
    assert known.digest == digest
    assert names(known.accuse(node("bob"), Standing.DOWN, 2.0)) == ["member.down"]
    assert list(known.others()) == []
    assert known.digest != digest


def test_an_accusation_of_a_claim_that_nobody_signed_says_nothing() -> None:
    known = roster("ada", "bob")
    assert known.hear(accusation("bob", counter=5), 1.0) == NOTHING
    assert known.hear(accusation("bob", boot=9), 1.0) == NOTHING
    assert known.own.claim == claim("ada")
    assert known.hear(accusation("ada", counter=5), 1.0) == NOTHING
    assert known.hear(accusation("ada", boot=9), 1.0) == NOTHING
    assert known.own.claim == claim("ada")


def test_a_confirmation_by_somebody_else_is_passed_on_and_an_echo_is_not() -> None:
    known = roster("ada", "bob")
    suspicion = accusation("bob", standing=Standing.SUSPECT)
    known.hear(suspicion, 1.0)
    confirmed = msgspec.structs.replace(suspicion, accuser=node("dan"), voices=(node("dan"),))
    (spread,) = known.hear(confirmed, 2.0).spread
    assert spread == (node("bob"), msgspec.structs.replace(suspicion, voices=(node("dan"),)))
    assert known.hear(confirmed, 3.0) == NOTHING
    (own,) = known.accuse(node("bob"), Standing.SUSPECT, 4.0).spread
    assert own[1].voices == tuple(sorted((node("dan"), node("ada"))))
    assert known.accuse(node("bob"), Standing.SUSPECT, 5.0) == NOTHING


def test_a_member_of_poor_health_suspects_without_a_voice() -> None:
    known = roster("ada", "bob")
    (spread,) = known.accuse(node("bob"), Standing.SUSPECT, 4.0, voice=False).spread
    assert spread[1].voices == ()


def test_only_the_members_own_higher_number_refutes() -> None:
    known = roster("ada", "bob")
    known.hear(accusation("bob"), 1.0)
    assert known.hear(signed("bob"), 2.0) == Heard(answer=(accusation("bob"),), answers=node("bob"))
    assert list(known.others()) == []
    assert names(known.hear(signed("bob", counter=1), 3.0)) == ["member.alive"]
    assert known.hear(accusation("bob"), 4.0).answer == (signed("bob", counter=1),)
    assert list(known.others()) == [node("bob")]


def test_a_node_refutes_what_is_said_of_itself() -> None:
    known = roster("ada")
    heard = known.hear(accusation("ada"), 1.0)
    assert names(heard) == ["member.refuted"]
    assert known.own.claim.counter == 1
    assert read_claim(heard.spread[0][1], CheapTrust("bob")) == known.own.claim
    assert known.hear(accusation("ada"), 2.0).answer == (known.own.signed,)


def test_a_restarted_member_outranks_whatever_was_said_of_its_older_life() -> None:
    known = roster("ada", "bob")
    known.hear(signed("bob", counter=9), 1.0)
    known.hear(accusation("bob", counter=9), 1.0)
    assert names(known.hear(signed("bob", boot=2), 2.0)) == ["member.alive", "member.restarted"]
    assert list(known.others()) == [node("bob")]


def test_a_restarted_node_that_forgot_its_boot_takes_a_higher_one() -> None:
    known = roster("ada")
    heard = known.hear(signed("ada", boot=7), 1.0)
    assert heard.new_boot == Boot(8, 7)
    assert known.own.claim.boot == Boot(8, 7)
    assert names(heard) == ["member.outranked"]


def test_a_stranger_with_our_key_is_told_and_not_outrun_for_ever() -> None:
    known = roster("ada")
    boots = range(2, 2 * OUTRANKED_MAX + 8, 2)
    said = [name for boot in boots for name in names(known.hear(signed("ada", boot=boot), 1.0))]
    assert said == ["member.outranked"] * OUTRANKED_MAX + ["member.copied"]


def test_an_echo_of_an_older_life_says_nothing() -> None:
    known = Roster(claim("ada", counter=2, boot=5), CheapTrust("ada"), 0.0)
    assert known.hear(signed("ada", counter=9, boot=4), 1.0) == NOTHING
    assert known.own.claim == claim("ada", counter=2, boot=5)


def test_what_left_stays_left() -> None:
    known = roster("ada", "bob")
    assert names(known.hear(signed("bob", counter=1, standing=Standing.LEFT), 1.0)) == ["member.left"]
    assert known.hear(accusation("bob", counter=1), 2.0) == NOTHING
    assert known.hear(signed("bob"), 3.0).spread == ()
    assert known.get(node("bob")).standing is Standing.LEFT
    assert names(known.hear(signed("bob", boot=2), 4.0)) == ["member.alive", "member.restarted"]


def test_a_node_that_left_does_not_refute() -> None:
    known = roster("ada")
    known.restate(claim("ada", counter=1, standing=Standing.LEFT), 1.0)
    assert known.hear(accusation("ada", counter=1), 2.0) == NOTHING


def test_two_nodes_with_one_name_are_told() -> None:
    known = roster("ada", "bob")
    twin = msgspec.structs.replace(claim("cyd"), name="bob")
    heard = known.hear(sign(twin, "cyd"), 1.0)
    assert names(heard) == ["member.alive", "member.conflict"]
    assert "bob.example:7000" in heard.events[1].about["reason"]
    known.hear(accusation("bob"), 2.0)
    assert known.conflict(node("cyd")) == ""  # Who is gone is in nobody's way.


def test_two_nodes_at_one_address_are_told_also_where_one_of_them_is_this_one() -> None:
    known = roster("ada", "bob", "cyd")
    for other in ("bob", "ada"):
        moved = msgspec.structs.replace(claim("cyd", counter=1 + (other == "ada")), address=address(other))
        heard = known.hear(sign(moved, "cyd"), 1.0)
        assert names(heard) == ["member.conflict"]
        assert known.conflict(node("cyd")).startswith(other)
        assert known.conflict(node(other)).startswith("cyd")


@pytest.mark.parametrize(
    "forged",
    [
        sign(claim("bob"), by="eve"),
        sign(msgspec.structs.replace(claim("bob"), node=node("cyd")), by="bob"),
        sign(claim("bob", standing=Standing.DOWN)),
        sign(claim("bob", standing=Standing.SUSPECT)),
        sign(claim("bob", counter=-1)),
        sign(claim("bob", counter=NUMBER_MAX + 1)),
        sign(claim("bob", boot=NUMBER_MAX + 1)),
        SignedClaim(b"", b""),
        SignedClaim(b"\x99" + msgspec.msgpack.encode(claim("bob"))[1:] + b"\x91" * 5_000, b""),
    ],
)
def test_a_forged_claim_is_refused(forged: SignedClaim) -> None:
    known = roster("ada")
    with pytest.raises(MalformedMessage):
        known.hear(forged, 1.0)
    assert list(known.others()) == []


@pytest.mark.parametrize(
    "impossible",
    [
        accusation("bob", standing=Standing.ALIVE, counter=9),
        accusation("bob", standing=Standing.LEFT),
        accusation("bob", counter=NUMBER_MAX),
        accusation("bob", boot=NUMBER_MAX),
        accusation("bob", counter=-1, boot=2),
    ],
)
@pytest.mark.parametrize("of", ["ada", "bob"])
def test_what_no_member_can_say_of_another_is_refused(impossible: Accusation, of: str) -> None:
    known = roster("ada", "bob")
    with pytest.raises(MalformedMessage):
        known.hear(msgspec.structs.replace(impossible, node=node(of)), 1.0)
    assert list(known.others()) == [node("bob")]


@given(
    st.lists(st.tuples(st.sampled_from((Standing.SUSPECT, Standing.DOWN)), st.sampled_from(("cyd", "eve"))), max_size=9)
)
def test_whoever_accuses_a_node_and_how_often_its_refutation_wins(said: list[tuple[Standing, str]]) -> None:
    ada, bob = roster("ada", "bob"), roster("bob", "ada")
    for standing, accuser in said:
        named = ada.own.claim
        lie = accusation("ada", named.counter, named.boot.count, standing, accuser)
        ada.hear(lie, 1.0)
        bob.hear(lie, 1.0)
        bob.hear(ada.own.signed, 2.0)
        assert bob.get(node("ada")).standing is Standing.ALIVE


def test_an_accusation_of_somebody_unknown_says_nothing() -> None:
    assert roster("ada").hear(accusation("bob"), 1.0) == NOTHING


def test_voices_beyond_those_that_count_are_no_news() -> None:
    known = Roster(claim("ada"), CheapTrust("ada"), 0.0, voices_max=2)
    known.hear(signed("bob"), 0.0)
    spread = []
    for voice in ("cyd", "dan", "eve"):
        said = msgspec.structs.replace(
            accusation("bob", standing=Standing.SUSPECT, accuser=voice), voices=(node(voice),)
        )
        spread.append(len(known.hear(said, 0.0).spread))
    assert spread == [1, 1, 0]
    member = known.get(node("bob"))
    assert member is not None
    assert member.accusation is not None
    assert sorted(member.accusation.voices) == sorted((node("cyd"), node("dan")))
