"""Members that one plane reaches and the other does not: datagrams without streams, or streams without datagrams (DESIGN §7).

Invariant: only a member that takes part is degraded; the next success on the plane that failed ends it.
"""

from mesh.effects import Emit
from mesh.gossip.roster import Roster
from mesh.ids import NodeId

DATAGRAMS, STREAMS = "datagrams", "streams"


class Planes:
    """Which members are degraded, and on which plane."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._failing: dict[NodeId, str] = {}

    def failing(self, node: NodeId) -> str:
        """The plane on which a member can't be reached: `datagrams`, `streams`, or empty."""
        return self._failing.get(node, "") if self._roster.takes_part(node) else ""

    def failed(self, node: NodeId, plane: str) -> list[Emit]:
        """A member answers on the other plane, and on this one it does not."""
        if not self._roster.takes_part(node) or self._failing.get(node) == plane:
            return []
        self._failing[node] = plane
        return [self._tell("member.degraded", node, plane)]

    def worked(self, node: NodeId, plane: str) -> list[Emit]:
        """A member was reached on this plane."""
        if self._failing.get(node) != plane:
            return []
        del self._failing[node]
        return [self._tell("member.whole", node, plane)]

    def forget(self, node: NodeId) -> None:
        """The member no longer takes part."""
        self._failing.pop(node, None)

    def _tell(self, name: str, node: NodeId, plane: str) -> Emit:
        member = self._roster.get(node)
        return Emit(name, {"node": node.hex(), "name": member.claim.name if member is not None else "", "plane": plane})
