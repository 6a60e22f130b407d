"""What a verdict rests on: probes, helpers, nacks, confirmations, timers, refutations (DESIGN §7).

Invariant: the newest `ENTRIES_MAX` pieces are kept, in the order in which they came; nothing is decided by them.
"""

from collections import deque

from msgspec import Struct

from mesh.ids import NodeId

ENTRIES_MAX = 1_024  # About 200 KiB; a few hours of an ordinary mesh, as answered probes leave no entry.


class Entry(Struct, frozen=True):
    """At the moment `at` (seconds of this process's clock) `said` was found of `node`, by way of `others`."""

    at: float
    node: NodeId
    said: str
    others: tuple[NodeId, ...] = ()


class Evidence:
    """A bounded ring of what was noticed about members."""

    __slots__ = ("_ring",)

    def __init__(self) -> None:
        self._ring: deque[Entry] = deque(maxlen=ENTRIES_MAX)

    def note(self, now: float, node: NodeId, said: str, others: tuple[NodeId, ...] = ()) -> None:
        """Keep one piece."""
        self._ring.append(Entry(now, node, said, others))

    def about(self, node: NodeId) -> list[Entry]:
        """Everything kept about a member, oldest first."""
        return [entry for entry in self._ring if entry.node == node]
