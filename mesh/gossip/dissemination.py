"""How news of data gets from peer to peer: what a peer asks of that part, whoever made it.

Invariant: a peer works with any strategy that keeps this protocol, one that says nothing included: reconcile brings what is missed.
"""

from collections.abc import Callable
from random import Random
from typing import Protocol

from mesh.config import GossipConfig
from mesh.crdt.replica import Replica
from mesh.effects import GossipEffect
from mesh.gossip.roster import Roster
from mesh.gossip.spread import SpreadEvent


class Dissemination(Protocol):
    """A core that is told of everything new here, and says to whom that goes."""

    def deadline(self) -> float:
        """When the next Tick is due; infinity where none is."""
        ...

    def handle(self, event: SpreadEvent, now: float) -> list[GossipEffect]:
        """React to one event. Events that a strategy has no use for are answered with nothing."""
        ...

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        ...


MakeDissemination = Callable[[Roster, GossipConfig, Random, Replica], Dissemination]
"""Makes a strategy for one peer: whom it knows, its knobs, its chance, and what it holds."""
