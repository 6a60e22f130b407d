"""The gate keeps out nodes that an admin has ended: whoever holds their certificates is no member any more (DESIGN §9).

Invariant: from the moment an end of a node is durable here, nothing that the node sends is taken in, after every start as well; its
streams end once it has had time to hear why.
"""

from msgspec import Struct

from mesh.crdt.effects import Ended
from mesh.crdt.ledger import Ledger
from mesh.effects import GossipEffect, Hangup, Stream
from mesh.events import Connected, Tick
from mesh.gossip.roster import Roster
from mesh.ids import NodeId
from mesh.messages import Ends

FAREWELL_S = 3.0  # Time for one message on a stream that is there.


class Barred(Struct, frozen=True):
    """An end of this node has become durable: it takes no part any more."""

    node: NodeId


GateEvent = Ended | Connected | Tick


class Gate:
    """Knows whom to keep out, and shows them the door."""

    __slots__ = ("_ended", "_leaving", "_ledger", "_roster")

    def __init__(self, ledger: Ledger, roster: Roster) -> None:
        self._ledger, self._roster = ledger, roster
        self._ended = ledger.durable.ends.nodes  # The ledger adds to it.
        self._leaving: dict[NodeId, float] = {}
        for node in self._ended:
            roster.bar(node, 0.0)

    def deadline(self) -> float:
        """When the streams of somebody who was ended are closed."""
        return min(self._leaving.values()) if self._leaving else float("inf")

    def admits(self, node: NodeId) -> bool:
        """Whether what `node` sends is taken in."""
        return node not in self._ended

    def handle(self, event: GateEvent, now: float) -> list[GossipEffect | Barred]:
        """React to one event."""
        match event:
            case Ended():
                return self._on_ended(event, now)
            case Connected(node):
                return [] if self.admits(node) else [Hangup(node)]
            case Tick():
                due = [node for node, at in self._leaving.items() if at <= now]
                self._leaving = {node: at for node, at in self._leaving.items() if at > now}
                return [Hangup(node) for node in due]

    def _on_ended(self, ended: Ended, now: float) -> list[GossipEffect | Barred]:
        known = self._ledger.durable.ends.by_name
        ends = [known[signed.name] for signed in ended.ends if signed.name in known]
        effects: list[GossipEffect | Barred] = []
        for node in dict.fromkeys(end.node for end in ends if end.node is not None):
            at = self._roster.address(node)
            effects += [Stream(node, at, Ends(ended.ends))] if at is not None else []
            effects.append(Barred(node))
            self._leaving[node] = now + FAREWELL_S
        return effects
