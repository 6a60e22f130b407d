"""Peers whose ledgers differ end with the same ends, and say nothing where there are none."""

from random import Random

from mesh.crdt.effects import Ended
from mesh.effects import Stream
from mesh.events import Received
from mesh.gossip.ends import ASK_S, PUSHED, EndSharing
from mesh.gossip.reconcile import Differs
from mesh.messages import Digests, EndNames, Ends
from tests.crdt.admin import end_of
from tests.crdt.site import Pen, Site
from tests.crdt.test_ending import bring
from tests.gossip.circle import NAMES, address, node, roster


def sharing(site: Site) -> EndSharing:
    return EndSharing(site.ledger, roster("ada", *NAMES), Random(1))


def differs(other: Site) -> Differs:
    return Differs(node("bob"), address("bob"), Digests(bytes(16), other.ledger.durable.digest, bytes(16)))


def told(core: EndSharing, message: EndNames) -> list[EndNames | Ends]:
    effects = core.handle(Received(node("bob"), address("bob"), message), 0.0)
    return [one.message for one in effects if isinstance(one, Stream) and isinstance(one.message, EndNames | Ends)]


def test_what_either_side_lacks_is_sent() -> None:
    ada, bob = Site("a"), Site("b")
    common, hers, his = (end_of(Pen(name).writer) for name in "xcd")
    for site, ends in ((ada, (common, hers)), (bob, (common, his))):
        for end in ends:
            bring(site, end)
    first, second = sharing(ada), sharing(bob)
    (asked,) = first.handle(differs(bob), 0.0)
    assert isinstance(asked, Stream)
    assert isinstance(asked.message, EndNames)
    sent, names = told(second, asked.message)
    assert sent == Ends((his,))
    assert isinstance(names, EndNames)
    assert told(first, names) == [Ends((hers,))]


def test_a_peer_is_told_now_and_then_while_it_differs_and_never_without_ends() -> None:
    ada, bob, chance = Site("a"), Site("b"), Random(1)
    core = sharing(ada)
    ada.merge(Pen().next())
    assert core.handle(differs(bob), chance.random()) == []
    bring(ada, end_of(Pen("c").writer))
    assert len(core.handle(differs(bob), 10.0)) == 1
    assert core.handle(differs(bob), 10.0 + ASK_S / 2) == []
    assert len(core.handle(differs(bob), 10.0 + ASK_S)) == 1
    assert core.handle(differs(ada), 99.0) == []


def test_who_hears_of_an_end_first_tells_some_others_at_once() -> None:
    end = end_of(Pen().writer)
    told = sharing(Site("a")).handle(Ended((end,), node("bob")), 0.0)
    assert [one.message for one in told if isinstance(one, Stream)] == [Ends((end,))] * len(told)
    assert 0 < len(told) <= PUSHED
    assert node("bob") not in [one.to for one in told if isinstance(one, Stream)]
