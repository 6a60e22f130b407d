"""Members: a roster upon a shared base says the same as one that heard everything itself."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.members import NOBODY, Acquaintance, Member, Members
from mesh.gossip.roster import weight_of
from mesh.ids import Address
from mesh.messages import Standing
from tests.gossip.circle import NAMES, claim, node, sign

OTHERS = NAMES[1:]
standings = st.sampled_from(Standing)
said = st.tuples(st.sampled_from(NAMES), st.integers(1, 3), standings, st.booleans())


def member(name: str, counter: int = 0, standing: Standing = Standing.ALIVE, moved: bool = False) -> Member:
    made = claim(name, counter)
    if moved:
        made = type(made)(made.node, "eve", made.key, Address("eve.example", 7000), "", made.boot, counter, standing)
    return Member(made, sign(made, name), standing, 0.0, weight=weight_of(made, standing))


def put_all(members: Members, news: list[tuple[str, int, Standing, bool]]) -> Members:
    for name, counter, standing, moved in news:
        own = name == "ada"
        members.put(member(name, counter, Standing.ALIVE if own else standing, moved and not own))
        members.check()
    return members


@given(st.lists(said, max_size=12))
def test_a_shared_base_and_own_differences_say_the_same_as_all_entries_of_ones_own(
    news: list[tuple[str, int, Standing, bool]],
) -> None:
    base = Acquaintance(map(member, NAMES))
    before = (dict(base.entries), base.sums.digest)
    shared = Members(node("ada"), base)
    shared.put(member("ada"))
    alone = Members(node("ada"), NOBODY)
    for name in NAMES:
        alone.put(member(name))
    for one in (put_all(shared, news), put_all(alone, news)):
        assert sorted(one.present) == sorted(alone.present)
    assert list(shared) == list(alone)
    assert [shared.nth(place) for place in range(len(shared))] == list(alone.nodes())
    assert shared.absent == alone.absent
    assert shared.sums.digest == alone.sums.digest
    for name in OTHERS:
        assert (node(name) in shared.present) is (node(name) in alone.present)
        assert sorted(shared.named(name)) == sorted(alone.named(name))
        assert sorted(shared.at(claim(name).address)) == sorted(alone.at(claim(name).address))
    assert (dict(base.entries), base.sums.digest) == before


def test_those_who_take_part_are_a_list_by_place() -> None:
    members = Members(node("ada"), Acquaintance(map(member, NAMES)))
    present = members.present
    assert len(present) == len(OTHERS)
    assert [present[-1], *present[:-1]] == [list(present)[-1], *list(present)[:-1]]
    assert node("ada") not in present
