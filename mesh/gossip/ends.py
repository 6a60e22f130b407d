"""Ends are few: a new one is told at once; peers whose ledgers differ tell each other which ones they have (DESIGN §5, Ends).

Invariant: only durable ends are told or sent; a mesh without ends hears nothing of this.
"""

from random import Random

from mesh.crdt.effects import Ended
from mesh.crdt.ledger import Ledger
from mesh.effects import GossipEffect, Stream
from mesh.events import Disconnected, Received
from mesh.gossip.reconcile import Differs
from mesh.gossip.roster import Roster
from mesh.ids import Address, NodeId
from mesh.messages import ENDS_MAX, EndNames, Ends

ASK_S = 5.0  # Between two words to one peer whose ledger goes on differing, as it does while much is written.

PUSHED = 4  # So many members, drawn by lot, are told of an end at once by each that hears of it first.

EndSharingEvent = Ended | Differs | Disconnected | Received


class EndSharing:
    """Brings two peers to the same ends."""

    __slots__ = ("_ledger", "_rng", "_roster", "_told")

    def __init__(self, ledger: Ledger, roster: Roster, rng: Random) -> None:
        self._ledger, self._roster, self._rng = ledger, roster, rng
        self._told: dict[NodeId, float] = {}

    def handle(self, event: EndSharingEvent, now: float) -> list[GossipEffect]:
        """React to one event."""
        match event:
            case Differs(peer, at, digests):
                if digests.ledger == self._ledger.durable.digest or now < self._told.get(peer, now - ASK_S) + ASK_S:
                    return []
                if not self._names():
                    return []
                self._told[peer] = now
                return [Stream(peer, at, EndNames(self._names(), True))]
            case Ended(ends, source):
                others = [node for node in self._roster.others() if node != source]
                told = self._rng.sample(others, min(PUSHED, len(others)))
                known = ((node, self._roster.address(node)) for node in told)
                return [Stream(node, at, Ends(ends)) for node, at in known if at is not None]
            case Disconnected(node):
                self._told.pop(node, None)
                return []
            case Received(sender, at, EndNames() as theirs):
                return self._on_names(sender, at, theirs)
            case Received():
                return []

    def _names(self) -> tuple[bytes, ...]:
        return tuple(sorted(self._ledger.durable.ends.by_name))[:ENDS_MAX]

    def _on_names(self, sender: NodeId, at: Address, theirs: EndNames) -> list[GossipEffect]:
        known = frozenset(theirs.names)
        ours = self._ledger.durable.ends.by_name
        effects: list[GossipEffect] = []
        signed = self._ledger.durable.ends.signed
        if lacking := [signed[name] for name in sorted(signed) if name not in known]:
            effects.append(Stream(sender, at, Ends(tuple(lacking[:ENDS_MAX]))))
        if theirs.reply and any(name not in ours for name in theirs.names):
            effects.append(Stream(sender, at, EndNames(self._names(), False)))
        return effects
