"""A node whose disk was copied, and that is the lower of the two, refuses writes, hands over, and then is quiet."""

from itertools import product
from random import Random

import msgspec
import pytest

from mesh.aside import HAND_OVER_S
from mesh.crdt.effects import Composed, NotComposed, Store
from mesh.crdt.events import RetryHeld, Stored, TakeEnds
from mesh.crdt.keys import BOOT
from mesh.crdt.replica import MemoryReplica, Table
from mesh.effects import Effect, Emit, Hangup, Send, StoreLazily
from mesh.errors import Refused
from mesh.events import Connected, Publish, Received, Tick
from mesh.ids import Address, Boot, RecordId
from mesh.messages import Gossip, Standing
from mesh.origin import Origin
from mesh.peer import Event, Peer
from mesh.records import PutRecord, Submit, Together
from sim.trust import CheapTrust, certificate_for
from tests.crdt.site import MESH
from tests.gossip.circle import address, claim, node, sign, signed

OWN = Boot(6, 2)
THERE = Address("copy.example", 7000)


class Copy:
    """A peer that runs on a copy of ada's disk, and knows bob."""

    def __init__(self) -> None:
        origin = Origin(
            MESH, certificate_for("ada"), CheapTrust("ada"), address("ada"), "", OWN, MemoryReplica(), MemoryReplica()
        )
        self.peer = Peer(origin, Random(1), Random(1).randbytes, 0.0)
        self.tell(Received(node("bob"), address("bob"), Gossip((signed("bob"),))), 0.0)

    def tell(self, event: Event, now: float) -> list[Effect]:
        effects = self.peer.handle(event, now)
        self.peer.check()
        return effects

    def hear_of_the_original(self, now: float) -> list[Effect]:
        above = msgspec.structs.replace(claim("ada"), boot=Boot(7, 1), over=(OWN.noise,), address=THERE)
        return self.tell(Received(node("bob"), address("bob"), Gossip((sign(above),))), now)

    def put(self, now: float, request: int = 1) -> list[Effect]:
        return self.tell(Submit(request, (PutRecord(RecordId("note", "x"), {"a": 1}),), "eva"), now)


def test_it_says_so_tells_the_other_and_will_start_above_it() -> None:
    copy = Copy()
    effects = copy.hear_of_the_original(1.0)
    [said] = [effect for effect in effects if isinstance(effect, Emit)]
    assert said.name == "member.copied"
    assert "this node's disk was copied" in str(said.about["reason"])
    [stored] = [effect for effect in effects if isinstance(effect, StoreLazily)]
    [row] = [write.value for write in stored.writes if (write.table, write.key) == (Table.META, BOOT)]
    assert row is not None
    assert msgspec.msgpack.decode(row, type=Boot).count == 7
    parting = copy.peer.roster.own
    assert parting.standing is Standing.LEFT
    assert Send(node("ada"), THERE, Gossip((parting.signed,))) in effects


def test_writes_are_refused_with_what_to_do() -> None:
    copy = Copy()
    copy.hear_of_the_original(1.0)
    submit = Submit(4, (PutRecord(RecordId("note", "x"), {"a": 1}),), "eva")
    for now, event in product(
        (2.0, 2.0 + HAND_OVER_S), (submit, Together((submit,)), RetryHeld(5), TakeEnds((), None, 6))
    ):
        [refused] = [effect for effect in copy.tell(event, now) if not isinstance(effect, Hangup)]
        assert isinstance(refused, NotComposed)
        assert refused.request == (submit.request if isinstance(event, Together) else event.request)
        assert isinstance(refused.error, Refused)
        assert str(THERE) in refused.error.message
        assert "start this one again" in refused.error.todo


def test_what_waits_to_be_written_is_refused_and_what_is_being_stored_is_acknowledged() -> None:
    copy = Copy()
    [stored] = [effect for effect in copy.put(1.0) if isinstance(effect, Store)]
    copy.hear_of_the_original(2.0)
    assert [e.request for e in copy.tell(Stored(stored.ticket), 2.1) if isinstance(e, Composed)] == [1]
    opening = Origin(
        MESH,
        certificate_for("ada"),
        CheapTrust("ada"),
        address("ada"),
        "",
        OWN,
        MemoryReplica(),
        MemoryReplica(),
        seeds=(address("bob"),),
    )
    copy.peer = Peer(opening, Random(1), Random(1).randbytes, 0.0)
    assert copy.put(0.5) == []
    assert [type(effect) for effect in copy.hear_of_the_original(0.6) if isinstance(effect, NotComposed | Store)] == [
        NotComposed
    ]


def test_it_goes_on_handing_over_for_a_while_and_then_is_quiet() -> None:
    copy = Copy()
    copy.hear_of_the_original(1.0)
    assert copy.tell(Publish("unit/a", {"state": "START"}), 1.5) == []
    assert any(isinstance(effect, Send) for effect in copy.tell(Tick(), 3.0))
    assert copy.peer.deadline() <= 1.0 + HAND_OVER_S
    later = 1.0 + HAND_OVER_S
    assert copy.tell(Tick(), later) == [Hangup(node("bob"))]
    assert copy.peer.deadline() == float("inf")
    assert copy.tell(Connected(node("bob"), address("bob"), False), later) == [Hangup(node("bob"))]
    assert copy.hear_of_the_original(later) == []


def test_the_one_that_it_stands_back_for_is_told_again_because_a_datagram_may_be_lost() -> None:
    copy = Copy()
    copy.hear_of_the_original(1.0)
    farewell = Send(node("ada"), THERE, Gossip((copy.peer.roster.own.signed,)))
    assert [now for now in range(2, 30) if farewell in copy.tell(Tick(), float(now))] == [5, 9, 13, 17]


@pytest.mark.parametrize("noise", [1, 3])
def test_who_only_hears_of_an_older_life_goes_on(noise: int) -> None:
    copy = Copy()
    older = msgspec.structs.replace(claim("ada"), boot=Boot(9, 1), over=(noise,))
    copy.tell(Received(node("bob"), address("bob"), Gossip((sign(older),))), 1.0)
    assert any(isinstance(effect, Store) for effect in copy.put(2.0))
    assert copy.peer.roster.own.claim.boot == Boot(10, OWN.noise)
