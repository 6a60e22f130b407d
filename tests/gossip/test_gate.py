"""Whom an admin has ended is kept out: what it sends is dropped, its streams end, and it takes no part."""

from mesh.crdt.effects import Ended
from mesh.effects import Hangup, Stream
from mesh.events import Connected, Tick
from mesh.gossip.gate import FAREWELL_S, Barred, Gate
from mesh.gossip.roster import Roster
from mesh.messages import Ends, Standing
from tests.crdt.admin import end_of, node_end_of
from tests.crdt.site import Pen, Site
from tests.crdt.test_ending import bring
from tests.gossip.circle import address, node, roster, signed

END = node_end_of(node("bob"))


def made(site: Site) -> tuple[Gate, Roster]:
    known = roster("ada", "bob", "cyd")
    return Gate(site.ledger, known), known


def test_who_is_ended_hears_why_and_then_its_streams_end() -> None:
    site = Site("a")
    gate, _ = made(site)
    assert gate.admits(node("bob"))
    bring(site, END)
    assert (gate.admits(node("bob")), gate.admits(node("cyd"))) == (False, True)
    assert gate.handle(Ended((END,), None), 5.0) == [
        Stream(node("bob"), address("bob"), Ends((END,))),
        Barred(node("bob")),
    ]
    assert gate.handle(Tick(), 5.0) == []
    assert gate.deadline() == 5.0 + FAREWELL_S
    assert gate.handle(Tick(), 5.0 + FAREWELL_S) == [Hangup(node("bob"))]
    assert gate.deadline() == float("inf")


def test_who_comes_back_is_shown_the_door_also_by_a_node_that_has_started_again() -> None:
    site = Site("a")
    bring(site, END)
    site.open()
    gate, known = made(site)
    assert not gate.admits(node("bob"))
    assert gate.handle(Connected(node("bob"), address("bob"), False), 1.0) == [Hangup(node("bob"))]
    assert gate.handle(Connected(node("cyd"), address("cyd"), False), 1.0) == []
    known.hear(signed("bob", counter=4), 2.0)
    assert not known.takes_part(node("bob"))


def test_an_end_of_a_writer_bars_nobody() -> None:
    site = Site("a")
    gate, _ = made(site)
    end = end_of(Pen("b").writer)
    bring(site, end)
    assert gate.handle(Ended((end,), None), 1.0) == []


def test_rosters_agree_on_a_barred_member_whoever_hears_of_its_claims_in_which_order() -> None:
    one, other = roster("ada", "bob"), roster("cyd", "bob", "ada")
    one.hear(signed("cyd"), 0.0)
    one.bar(node("bob"), 1.0)
    other.hear(signed("bob", counter=3), 1.0)
    other.bar(node("bob"), 2.0)
    one.hear(signed("bob", counter=3), 3.0)
    assert one.digest == other.digest
    for known in (one, other):
        member = known.get(node("bob"))
        assert member is not None
        assert member.standing is Standing.DOWN
        known.check()
