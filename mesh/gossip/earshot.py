"""Which members answer this one directly, and which of the others it hears all the same: faults that go one way only (DESIGN §7).

Invariant: only a member that left `MISSES` questions in a row without an answer of its own is out of earshot, and its next answer
ends that; no verdict rests on it, because helpers may reach who is out of earshot here.
"""

from mesh.ids import NodeId

MISSES = 3  # Two may be chance: at 5 % loss each way a hundredth of all pairs of questions. Three are a thousandth.


class Earshot:
    """Questions that were not answered directly, by member."""

    __slots__ = ("_heard", "_missed")

    def __init__(self) -> None:
        self._missed: dict[NodeId, int] = {}
        self._heard: dict[NodeId, int] = {}  # What was missed when a question of that member came in last.

    def missed(self, node: NodeId) -> bool:
        """A question had no answer in time. True: with this one the member is out of earshot."""
        self._missed[node] = self._missed.get(node, 0) + 1
        return self._missed[node] == MISSES

    def answered(self, node: NodeId) -> None:
        """An answer came from the member itself, however late."""
        if node in self._missed:
            self.forget(node)

    def asked(self, node: NodeId) -> None:
        """A question of the member itself came in."""
        if node in self._missed:
            self._heard[node] = self._missed[node]

    def forget(self, node: NodeId) -> None:
        """The member no longer takes part, or all is well."""
        self._missed.pop(node, None)
        self._heard.pop(node, None)

    def out_of(self, node: NodeId) -> bool:
        """Whether the member does not answer directly."""
        return self._missed.get(node, 0) >= MISSES

    def hears(self, node: NodeId) -> bool:
        """Whether questions of a member that left some unanswered came in while it did: what it sends arrives here."""
        heard = self._heard.get(node)
        return heard is not None and self._missed[node] - heard < MISSES

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert self._heard.keys() <= self._missed.keys()
        assert all(0 < self._heard[node] <= self._missed[node] for node in self._heard)
