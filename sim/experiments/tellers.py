"""Peers that tell news as SWIM's papers have it: without the mesh's own answers, or by multicast alone (SWIM §3.1 and §4.1).

Invariant: what a peer takes in, probes and decides is the core's own; only what it sends is less, or goes to everybody.
"""

from msgspec.structs import replace

from mesh.effects import Effect, Emit, Send
from mesh.events import Received
from mesh.ids import NodeId
from mesh.messages import Ack, Gossip, Ping, PingRequest, RosterPage, RosterSums
from mesh.peer import Event, Peer

ANSWERS = (Gossip, RosterSums)  # Marks only answer the sums that open a stream: who joins is told of all.


class Silent(Peer):
    """Tells nobody what it holds of him, and compares rosters with nobody: news rides on probes alone."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        effects = super().handle(event, now)
        return [said for said in effects if not (isinstance(said, Send) and isinstance(said.message, ANSWERS))]


class Multicasting(Silent):
    """Basic SWIM: nothing rides on probes; who joins, and who declares another failed, tells all that it knows of."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        before = set(self.roster.others())
        effects = [_bare(said) for said in super().handle(event, now)]
        if isinstance(event, Received) and isinstance(event.message, RosterPage):
            joined = [node for node in self.roster.others() if node not in before]
            return [*effects, *self._tell(joined, Gossip((self.roster.own.signed,)))]
        if isinstance(event, Received):
            return effects
        return [*effects, *(told for said in effects for told in self._tell_verdict(said))]

    def _tell_verdict(self, said: Effect) -> list[Send]:
        """A verdict of one's own, to everybody; what came from others is not passed on."""
        if not isinstance(said, Emit) or said.name != "member.down":
            return []
        member = self.roster.get(NodeId(bytes.fromhex(str(said.about["node"]))))
        if member is None or member.accusation is None:
            return []
        return self._tell([member.claim.node, *self.roster.others()], Gossip((member.accusation,)))

    def _tell(self, nodes: list[NodeId], news: Gossip) -> list[Send]:
        found = [(node, self.roster.address(node)) for node in nodes]
        return [Send(node, at, news) for node, at in found if at is not None]


def _bare(said: Effect) -> Effect:
    if isinstance(said, Send) and isinstance(said.message, Ping | Ack | PingRequest):
        return replace(said, message=replace(said.message, news=()))
    return said
