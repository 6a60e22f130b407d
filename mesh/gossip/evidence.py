"""What a verdict rests on: probes, helpers, nacks, confirmations, timers, refutations (DESIGN §7).

Invariant: the newest `ENTRIES_MAX` pieces are kept, in the order in which they were noticed last; what is found of a member again
and again is one piece; nothing is decided by them.
"""

from msgspec import Struct

from mesh.ids import NodeId

ENTRIES_MAX = 1_024  # About 200 KiB; a few hours of an ordinary mesh, as answered probes leave no entry.


class Entry(Struct):
    """At the moment `at` (seconds of this process's clock) `said` was found of `node` by `others`; `times`, up to `until`."""

    at: float
    node: NodeId
    said: str
    others: tuple[NodeId, ...]
    until: float
    times: int = 1


class Evidence:
    """A bounded ring of what was noticed about members."""

    __slots__ = ("_newest", "_number", "_ring")

    def __init__(self) -> None:
        self._ring: dict[int, Entry] = {}  # By a number that grows; the first is the one noticed longest ago.
        self._newest: dict[NodeId, int] = {}
        self._number = 0

    def note(self, now: float, node: NodeId, said: str, others: tuple[NodeId, ...] = ()) -> None:
        """Keep one piece, or that the newest one about this member was noticed again."""
        entry = Entry(now, node, said, others, now)
        before = self._ring.get(self._newest.get(node, 0))
        if before is not None and (before.said, before.others) == (said, others):
            entry = self._ring.pop(self._newest[node])
            entry.until, entry.times = now, entry.times + 1
        self._number += 1
        self._newest[node] = self._number
        self._ring[self._number] = entry
        if len(self._ring) > ENTRIES_MAX:
            self._forget(next(iter(self._ring)))

    def about(self, node: NodeId) -> list[Entry]:
        """Everything kept about a member, oldest first."""
        return [entry for entry in self._ring.values() if entry.node == node]

    def _forget(self, number: int) -> None:
        node = self._ring.pop(number).node
        if self._newest[node] == number:
            del self._newest[node]
