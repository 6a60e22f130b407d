"""Peers that say less say that much less, and still find each other.

Invariant: nothing is lost on the way here.
"""

from mesh.effects import Effect, Send
from mesh.messages import Ack, Gossip, Ping, PingRequest, RosterSums
from mesh.peer import Event, Peer
from sim.experiments.swim import VARIANTS
from sim.experiments.tellers import Multicasting, Silent
from sim.experiments.worlds import listening, quiet
from sim.run import SimulatedMesh


def heard_of(kind: type[Peer], variant: str) -> tuple[list[int], list[object]]:
    """How many members each of six holds alive when they have joined, and what was sent in datagrams."""
    said: list[object] = []

    def hear(peer: Peer, event: Event, effects: list[Effect]) -> None:
        said.extend(effect.message for effect in effects if isinstance(effect, Send))

    start = {"known": False, "spread_s": 5.0, "seeds": 6}
    made = quiet("Six join", 6, 30.0, gossip=VARIANTS[variant], network={"loss": 0.0}, start=start)
    mesh = SimulatedMesh(made, 1, make_peer=listening(hear, kind))
    mesh.world.run(30.0)
    return [len(node.peer.roster.others()) for node in mesh.nodes if node.peer is not None], said


def test_who_is_silent_answers_no_claims_and_joins_all_the_same() -> None:
    others, said = heard_of(Silent, "suspicion")
    assert others == [5] * 6
    assert not [message for message in said if isinstance(message, Gossip | RosterSums)]


def test_news_of_basic_swim_is_multicast_and_rides_on_nothing() -> None:
    others, said = heard_of(Multicasting, "basic")
    assert others == [5] * 6
    assert any(isinstance(message, Gossip) for message in said)
    assert not any(message.news for message in said if isinstance(message, Ping | Ack | PingRequest))
