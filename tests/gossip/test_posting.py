"""Posting: only what an owner signed is taken over, and each delta is passed on once."""

from math import inf

import pytest

from mesh.crdt.board import Boards, SignedDelta, read_delta
from mesh.crdt.publisher import PERIOD_S, read_item
from mesh.crdt.replica import MemoryReplica
from mesh.effects import Emit, Posted, StoreLazily
from mesh.events import Publish, Received, Tick
from mesh.gossip.posting import FORGOTTEN_S, Forgotten, Posting, Rebooted, Said
from mesh.gossip.spread import Fresh, Update
from mesh.ids import Boot, MeshId
from mesh.messages import Boards as BoardsMessage
from sim.trust import CheapTrust
from tests.crdt.site import MESH
from tests.gossip.circle import NAMES, address, node, roster


class Owner:
    """One node's posting and the boards that it holds."""

    def __init__(self, name: str, mesh: MeshId = MESH, others: tuple[str, ...] = NAMES) -> None:
        known = roster(name, *(other for other in others if other != name))
        self.boards = Boards(mesh, MemoryReplica())
        self.core = Posting(mesh, known, self.boards, CheapTrust(name), 0.0)

    def post(self, now: float, **topics: object) -> list[SignedDelta]:
        for topic, value in topics.items():
            assert self.core.handle(Publish(topic, value), now) == []
        fresh = [effect for effect in self.core.handle(Tick(), now) if isinstance(effect, Fresh)]
        return [update.signed for effect in fresh for update in effect.updates]

    def hear(self, *deltas: SignedDelta, by: str = "bob") -> list[Said]:
        return self.core.handle(Received(node(by), address(by), BoardsMessage(deltas)), 0.0)

    def items(self, name: str) -> dict[str, object]:
        board = self.boards.owners().get(node(name))
        return {topic: read_item(item) for topic, item in board.items.items()} if board is not None else {}


def test_what_is_published_is_held_kept_shown_and_spread() -> None:
    ada = Owner("ada")
    ada.core.handle(Publish("unit/a", {"state": "START"}), 0.0)
    stored, posted, fresh = ada.core.handle(Tick(), 0.0)
    assert isinstance(stored, StoreLazily)
    assert (posted.owner, fresh.source) == (node("ada"), None)
    assert ada.items("ada") == {"unit/a": {"state": "START"}}


def test_a_delta_goes_to_a_third_party_and_still_verifies() -> None:
    ada, bob, cyd = Owner("ada"), Owner("bob"), Owner("cyd")
    for second in range(4):
        bob.hear(*ada.post(second * PERIOD_S, node=second, other="x", third="y", fourth="z"), by="ada")
    served = bob.boards.since(node("ada"), Boot(-1, 0), 0)
    assert any(isinstance(effect, Posted) for effect in cyd.hear(*served, by="bob"))
    assert cyd.items("ada") == ada.items("ada")
    assert cyd.boards.digest == bob.boards.digest


def test_a_known_delta_is_not_passed_on_again() -> None:
    ada, bob = Owner("ada"), Owner("bob")
    deltas = ada.post(0.0, node=1)
    (_, _, fresh) = bob.hear(*deltas, by="cyd")
    assert fresh == Fresh((Update(deltas[0], whole_of=node("ada")),), node("cyd"))
    assert bob.hear(*deltas, by="ada") == []


def test_a_gap_does_not_advance_the_board() -> None:
    ada, bob = Owner("ada"), Owner("bob")
    first = ada.post(0.0, a=1, b=2, c=3, d=4)
    second, third = ada.post(1.0, a=5), ada.post(2.0, a=6)
    bob.hear(*first)
    assert bob.hear(*third) == []
    assert bob.items("ada")["a"] == 1
    bob.hear(*second, *third)
    assert bob.items("ada")["a"] == 6


def test_a_forged_delta_is_told_and_what_came_before_it_holds() -> None:
    ada, bob, eve = Owner("ada"), Owner("bob"), Owner("eve")
    (good,), (mine,) = ada.post(0.0, node=1), eve.post(0.0, node=2)
    (newer,) = ada.post(1.0, node=3)
    effects = bob.hear(good, SignedDelta(newer.body, CheapTrust("eve").sign(newer.body)), mine, by="eve")
    assert [type(effect) for effect in effects] == [StoreLazily, Posted, Fresh, Emit]
    assert (effects[-1].name, effects[-1].about["node"]) == ("peer.malformed", node("eve").hex())
    assert (bob.items("ada"), bob.items("eve")) == ({"node": 1}, {})


def test_a_board_of_another_mesh_is_told() -> None:
    foreign = Owner("ada", MeshId(b"a foreign mesh!!")).post(0.0, node=1)
    (effect,) = Owner("bob").hear(*foreign)
    assert effect.name == "peer.malformed"


def test_the_board_of_an_unknown_owner_waits_for_its_claim() -> None:
    assert Owner("bob", others=("cyd",)).hear(*Owner("ada").post(0.0, node=1)) == []


def test_nobody_posts_on_our_board_but_ourselves() -> None:
    ada = Owner("ada")
    older = Owner("ada").post(0.0, node="older")
    ada.post(0.0, node="own")
    assert ada.hear(*older) == []
    assert ada.items("ada") == {"node": "own"}


@pytest.mark.parametrize(("count", "told"), [(0, []), (3, [Forgotten(Boot(3, 7))])])
def test_a_board_of_ours_that_our_disk_forgot_is_held_and_outranked_where_it_is_newer(
    count: int, told: list[Forgotten]
) -> None:
    earlier, ada, bob = Owner("ada"), Owner("ada"), Owner("bob")
    earlier.core.handle(Rebooted(Boot(count, 7)), 0.0)
    (forgotten,) = earlier.post(0.0, node="of another life")
    bob.hear(forgotten)
    assert not any(isinstance(effect, Forgotten) for effect in ada.hear(forgotten))
    assert ada.boards.digest == bob.boards.digest
    assert ada.core.handle(Tick(), FORGOTTEN_S - 0.1) == []
    assert [effect for effect in ada.core.handle(Tick(), FORGOTTEN_S) if isinstance(effect, Forgotten)] == told
    assert ada.core.handle(Tick(), 2 * FORGOTTEN_S) == []


def test_a_board_in_our_name_that_we_did_not_sign_outranks_nothing() -> None:
    eve, ada = Owner("ada"), Owner("ada")
    eve.core.handle(Rebooted(Boot(9, 9)), 0.0)
    (made,) = eve.post(0.0, node=1)
    (told,) = ada.hear(SignedDelta(made.body, CheapTrust("eve").sign(made.body)), by="eve")
    assert (told.name, ada.items("ada")) == ("peer.malformed", {})


def test_a_new_boot_posts_everything_again_and_drops_what_was_before() -> None:
    ada, bob = Owner("ada"), Owner("bob")
    bob.hear(*ada.post(0.0, node=1, gone=2))
    ada.core.handle(Publish("gone", None), 0.5)
    ada.core.handle(Rebooted(Boot(9, 9)), 0.6)
    (whole,) = ada.post(0.7)
    assert read_delta(whole, MESH).start == 0
    posted = next(effect for effect in bob.hear(whole) if isinstance(effect, Posted))
    assert {item.topic: item.value is None for item in posted.items} == {"node": False, "gone": True}
    assert bob.items("ada") == {"node": 1}
    assert bob.boards.owners()[node("ada")].boot == Boot(9, 9)


def test_a_topic_that_never_was_may_be_taken_away() -> None:
    ada = Owner("ada")
    assert ada.core.handle(Publish("never", None), 0.0) == []
    assert ada.core.deadline() == inf
    ada.core.handle(Tick(), 0.0)
    assert ada.items("ada") == {}


def test_a_value_that_stays_the_same_is_published_once() -> None:
    ada = Owner("ada")
    ada.core.handle(Publish("node", {"units": 3}), 0.0)
    assert ada.core.handle(Tick(), 0.0) != []
    ada.core.handle(Publish("node", {"units": 3}), 5.0)
    assert ada.core.deadline() == inf
