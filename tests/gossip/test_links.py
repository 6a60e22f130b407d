"""Links: agreed by two, at most eight, near ones and drawn ones, replaced when somebody goes."""

import heapq
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.effects import Send
from mesh.events import Received, Tick
from mesh.gossip.links import ANSWER_S, PACE_S, REFUSED_S, Links
from mesh.gossip.roundtrips import RoundTrips
from mesh.gossip.sounder import KEPT_S
from mesh.gossip.table import Link
from mesh.ids import NodeId
from mesh.messages import Accept, Drop, Echo, Message, Offer, Refuse, Sound, Standing, Want
from tests.gossip.circle import CONFIG, accusation, address, node, rng, roster

MANY = [f"n{number}" for number in range(30)]
OFFER = Offer(False, 0, False, False)


class Circle:
    """Links of many nodes on a small network: nodes of one side are near to each other."""

    def __init__(self, size: int, loss: float = 0.0, seed: int = 1) -> None:
        self.names = MANY[:size]
        self.cores = {
            node(name): Links(
                roster(name, *(other for other in self.names if other != name)),
                CONFIG,
                RoundTrips(CONFIG),
                rng(number),
                0.0,
            )
            for number, name in enumerate(self.names)
        }
        self.side = {node(name): number % 2 for number, name in enumerate(self.names)}
        self.loss, self.chance, self.order, self.questions = loss, rng(seed), count(), 0
        self.queue: list[tuple[float, int, NodeId, NodeId, Message]] = []

    def run(self, start: float, end: float) -> "Circle":
        while True:
            at, who = min((core.deadline(), core_node) for core_node, core in self.cores.items())
            if self.queue and self.queue[0][0] <= min(at, end):
                now, _, sender, to, message = heapq.heappop(self.queue)
                if to in self.cores:
                    self.tell(to, Received(sender, address("x"), message), now)
            elif at <= end:
                self.tell(who, Tick(), max(start, at))
            else:
                return self

    def tell(self, who: NodeId, event: Received | Tick, now: float) -> None:
        core = self.cores[who]
        if isinstance(event, Received) and isinstance(event.message, Want):
            return  # Spread's.
        for effect in core.handle(event, now):
            assert isinstance(effect, Send)
            self.questions += isinstance(effect.message, Sound)
            if self.chance.random() >= self.loss and effect.to in self.side:
                delay = 0.0005 if self.side[who] == self.side[effect.to] else 0.05
                heapq.heappush(self.queue, (now + delay, next(self.order), who, effect.to, effect.message))
        core.check()

    def links(self) -> dict[NodeId, list[NodeId]]:
        return {who: list(core.table.links) for who, core in self.cores.items()}

    def reached(self) -> int:
        links, start = self.links(), next(iter(self.cores))
        seen, todo = {start: None}, [start]
        while todo:
            for other in links[todo.pop()]:
                if other not in seen:
                    seen[other] = None
                    todo.append(other)
        return len(seen)


def core(*others: str) -> Links:
    return Links(roster("ada", *others), CONFIG, RoundTrips(CONFIG), rng(), 0.0)


def heard(links: Links, sender: str, message: Message, now: float = 0.0) -> list[tuple[NodeId, type[Message]]]:
    effects = links.handle(Received(node(sender), address(sender), message), now)
    return [(effect.to, type(effect.message)) for effect in effects if isinstance(effect, Send)]


def test_all_members_find_links_and_the_mesh_is_one() -> None:
    circle = Circle(30).run(0.0, 30.0)
    links = circle.links()
    assert all(4 <= len(found) <= CONFIG.links_max for found in links.values())
    assert all(who in links[other] for who, found in links.items() for other in found)
    assert circle.reached() == 30


def test_near_links_are_near_and_the_drawn_ones_cross() -> None:
    circle = Circle(30).run(0.0, 60.0)
    near = [
        circle.side[who] == circle.side[other]
        for who, core in circle.cores.items()
        for other, link in core.table.links.items()
        if link.near
    ]
    crossing = [circle.side[who] != circle.side[other] for who, found in circle.links().items() for other in found]
    assert sum(near) > 0.9 * len(near) > 0
    assert sum(crossing) > 10


def test_a_small_mesh_needs_no_links() -> None:
    circle = Circle(CONFIG.links_max + 1).run(0.0, 5.0)
    assert all(core.all_told and not core.table.links for core in circle.cores.values())


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.0, 0.4), st.integers(10, 24))
def test_lost_messages_leave_no_node_alone(seed: int, loss: float, size: int) -> None:
    circle = Circle(size, loss, seed).run(0.0, 10.0)
    circle.loss = 0.0
    circle.run(10.0, 150.0)
    links = circle.links()
    assert circle.reached() == size
    assert all(who in links[other] for who, found in links.items() for other in found)


def test_who_is_down_or_long_suspect_is_replaced() -> None:
    known = roster("ada", *MANY)
    links = Links(known, CONFIG, RoundTrips(CONFIG), rng(), 0.0)
    for name in MANY[:3]:
        heard(links, name, OFFER)
    known.hear(accusation(MANY[0]), 0.0)
    known.hear(accusation(MANY[1], standing=Standing.SUSPECT), 0.0)
    links.handle(Tick(), 1.0)
    assert list(links.table.links) == [node(MANY[1]), node(MANY[2])]
    links.handle(Tick(), 3.0)
    assert list(links.table.links) == [node(MANY[2])]


def test_an_offer_is_taken_while_there_is_room_and_then_refused() -> None:
    links = core(*MANY)
    answers = [heard(links, name, OFFER)[-1][1] for name in MANY[:10]]
    assert answers == [Accept] * CONFIG.links_max + [Refuse] * 2


def test_who_has_no_links_is_always_taken() -> None:
    links = core(*MANY)
    for name in MANY[:8]:
        heard(links, name, OFFER)
    ((dropped, parting), accepted) = heard(links, MANY[9], Offer(False, 0, True, True))
    assert (parting, accepted) == (Drop, (node(MANY[9]), Accept))
    assert dropped not in links.table.links


@pytest.mark.parametrize("near", [0, 3, 8])
def test_who_has_no_near_link_gets_one_even_of_who_has_enough(near: int) -> None:
    links = core(*MANY)
    for number, name in enumerate(MANY[:8]):
        heard(links, name, Offer(number < near, 1_000, False, False))
    answers = heard(links, MANY[9], Offer(True, 1_000, True, True))
    assert [kind for _, kind in answers] == [Drop, Accept]
    assert links.table.count(near=True) == (near if near == 8 else near + 1)


def test_on_a_near_link_news_leaves_at_once() -> None:
    links = core(*MANY)
    for name in MANY[:6]:
        heard(links, name, Offer(True, 1_000, False, False))
    assert links.table.eager_count() == 6


def test_a_much_nearer_member_takes_the_place_of_the_longest_near_link() -> None:
    links = core(*MANY)
    for number, name in enumerate(MANY[:8]):
        heard(links, name, Offer(True, 10_000 * (number + 1), False, False))
    assert heard(links, MANY[8], Offer(True, 79_000, False, False)) == [(node(MANY[8]), Refuse)]
    found = heard(links, MANY[8], Offer(True, 1_000, False, False))
    assert found == [(node(MANY[7]), Drop), (node(MANY[8]), Accept)]


def test_an_offer_without_an_answer_and_a_refusal_are_not_waited_for() -> None:
    links = core(*MANY)
    first = [effect.to for effect in links.handle(Tick(), 1.0) if isinstance(effect.message, Offer)]
    assert len(first) > 2
    again = [effect.to for effect in links.handle(Tick(), 2.0 + ANSWER_S) if isinstance(effect.message, Offer)]
    assert again
    heard(links, "n0", Refuse(), 3.0)
    later = [effect.to for effect in links.handle(Tick(), 4.0 + REFUSED_S) if isinstance(effect.message, Offer)]
    assert later


def test_an_offer_whose_answer_was_lost_leaves_no_half_link() -> None:
    links = core(*MANY)
    asked = [effect.to for effect in links.handle(Tick(), 1.0) if isinstance(effect.message, Offer)]
    heard(links, MANY[0], Refuse(), 1.5)
    parted = [e.to for e in links.handle(Tick(), 1.0 + 2 * ANSWER_S) if isinstance(e.message, Drop)]
    assert parted == [who for who in asked if who != node(MANY[0])]


def test_a_settled_node_looks_after_its_links_when_the_roster_changed() -> None:
    known = roster("ada", *MANY)
    links = Links(known, CONFIG, RoundTrips(CONFIG), rng(), 0.0)
    for name in MANY[:6]:
        heard(links, name, Offer(True, 1_000, False, False))
    assert not links.handle(Tick(), 10.0)
    assert links.deadline() > 10.0 + PACE_S + KEPT_S / 4
    known.hear(accusation(MANY[0]), 20.0)
    assert links.deadline() <= 20.0
    assert links.handle(Tick(), 20.0)[0] == Send(node(MANY[0]), address(MANY[0]), Drop())


def test_a_settled_circle_asks_each_link_once_in_a_while() -> None:
    circle = Circle(30).run(0.0, 60.0)
    links = sum(len(found) for found in circle.links().values()) / 2
    before = circle.questions
    circle.run(60.0, 60.0 + 4 * KEPT_S)
    assert 3 * links < circle.questions - before < 6 * links  # By one of the two, and hardly any other.


def test_one_side_that_holds_a_link_the_other_does_not_is_put_right() -> None:
    links = core(*MANY)
    assert heard(links, "n1", Sound(7, True)) == [(node("n1"), Echo), (node("n1"), Drop)]
    assert heard(links, "n1", Accept(True)) == [(node("n1"), Drop)]
    heard(links, "n2", OFFER)
    assert heard(links, "n2", Sound(8, False)) == [(node("n2"), Echo)]
    assert not links.table.links


def test_the_last_link_for_news_is_never_the_only_one() -> None:
    links = core(*MANY)
    for name in MANY[:3]:
        heard(links, name, OFFER)
    for link in links.table.links.values():
        link.eager = False
    links.table.add(node("n9"), Link(True, True, 0.1, 30))
    assert heard(links, "n9", Drop())[0][1] is Want


def test_a_mesh_that_has_grown_draws_again() -> None:
    links = core(*MANY)
    for name in MANY[:8]:
        heard(links, name, OFFER)
    assert not [e for e in links.handle(Tick(), 1.0) if isinstance(e.message, Offer)]
    next(iter(links.table.links.values())).among = 10
    assert [e for e in links.handle(Tick(), 2.5) if isinstance(e.message, Offer)]


@pytest.mark.parametrize("message", [Refuse(), Drop(), Accept(True), Echo(1, ()), Sound(1, True), OFFER])
def test_a_stranger_gets_no_link(message: Message) -> None:
    links = core(*MANY)
    heard(links, "stranger", message)
    assert not links.table.links
