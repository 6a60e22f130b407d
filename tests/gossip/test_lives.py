"""What is heard in one's own name: older lives are outranked, and of nodes on copies of one disk one goes on."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.lives import OUTRANKED_MAX
from mesh.gossip.roster import Roster
from mesh.ids import Boot
from mesh.messages import SignedClaim, Standing
from sim.trust import CheapTrust
from tests.gossip.circle import claim, node, sign


def life(count: int, noise: int) -> Roster:
    """A node that has just started with this boot."""
    own = msgspec.structs.replace(claim("ada"), boot=Boot(count, noise))
    return Roster(own, CheapTrust("ada"), 0.0)


def told(from_: Roster, to: Roster) -> list[str]:
    """The names of what came of it that one life heard the other's newest claim."""
    return [event.name for event in to.hear(from_.own.signed, 1.0).events]


def stands_back(lives: list[Roster]) -> list[bool]:
    return [each.lives.displaced_by is not None for each in lives]


def test_a_copy_that_was_outranked_stands_back_and_the_other_is_told() -> None:
    original, copy = life(5, 1), life(6, 2)
    assert told(copy, original) == ["member.outranked"]
    assert (original.own.claim.boot, original.own.claim.over) == (Boot(7, 1), (2,))
    assert told(original, copy) == ["member.copied"]
    assert stands_back([original, copy]) == [False, True]
    assert copy.own.standing is Standing.LEFT
    assert told(copy, original) == ["member.copied"]
    assert original.lives.copy == copy.own.claim
    assert told(copy, original) == []


def test_who_stands_back_begins_its_next_life_above_the_other() -> None:
    original, copy = life(5, 1), life(6, 2)
    told(copy, original)
    heard = copy.hear(original.own.signed, 1.0)
    assert heard.new_boot == Boot(original.own.claim.boot.count, 2)


def test_who_stands_back_is_not_moved_by_anything_it_hears() -> None:
    original, copy = life(5, 1), life(6, 2)
    told(copy, original)
    told(original, copy)
    parting = copy.own.claim
    assert [*told(life(99, 9), copy), *told(original, copy)] == []
    assert copy.outrank(Boot(99, 9), 1.0).events == ()
    assert copy.own.claim == parting


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=OUTRANKED_MAX, unique=True))
def test_echoes_of_older_lives_are_outranked_and_nobody_stands_back(older: list[tuple[int, int]]) -> None:
    present = life(1, 1000)
    echoes = [sign(msgspec.structs.replace(claim("ada"), boot=Boot(*boot), over=(boot[1] + 1,))) for boot in older]
    for echo in echoes * 2:
        present.hear(echo, 1.0)
    assert stands_back([present]) == [False]
    assert all(present.own.claim.boot > Boot(*boot) for boot in older)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.data())
def test_of_nodes_on_copies_of_one_disk_exactly_one_goes_on_in_whatever_order_they_hear(
    boots: list[int], data: st.DataObject
) -> None:
    """A mesh holds the highest claim that anybody told it, and tells it to whoever comes."""
    lives = [life(count, number) for number, count in enumerate(boots, start=1)]
    held: SignedClaim = lives[0].own.signed
    orders = data.draw(st.lists(st.integers(0, len(lives) - 1), max_size=12))
    for place in [*orders, *list(range(len(lives))) * 8]:
        lives[place].hear(held, 1.0)
        mine = lives[place].own
        newest = msgspec.msgpack.decode(held.body, type=type(mine.claim))
        if (mine.claim.boot, mine.claim.counter) > (newest.boot, newest.counter):
            held = mine.signed
        lives[place].check()
        assert not all(stands_back(lives))
    assert stands_back(lives).count(False) == 1
    [on] = [each for each in lives if each.lives.displaced_by is None]
    assert held == on.own.signed
    assert on.me == node("ada")
