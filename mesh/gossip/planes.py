"""Members that are here and not whole: one plane reaches them and the other does not, or they come and go (DESIGN §7).

Invariant: only a member that takes part is degraded; the next success on the plane that failed ends that, and each probe tries it.
"""

from mesh.effects import Emit, GossipEffect, Send, Stream
from mesh.events import Received
from mesh.gossip.roster import Roster
from mesh.ids import NodeId
from mesh.messages import Message

DATAGRAMS, STREAMS = "datagrams", "streams"
UNSTEADY = "unsteady"


class Planes:
    """Which members are degraded, and on which plane."""

    __slots__ = ("_failing", "_roster", "_unsteady")

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._failing: dict[NodeId, str] = {}
        self._unsteady: dict[NodeId, None] = {}

    def failing(self, node: NodeId) -> str:
        """The plane on which a member can't be reached: `datagrams` or `streams`; `unsteady`; or empty."""
        if not self._roster.takes_part(node):
            return ""
        return self._failing.get(node) or (UNSTEADY if node in self._unsteady else "")

    def hold(self, node: NodeId, unsteady: bool) -> list[Emit]:
        """A member comes and goes, or does no longer."""
        if unsteady:
            self._unsteady[node] = None
        else:
            self._unsteady.pop(node, None)
        return [self._tell("member.unsteady" if unsteady else "member.steady", node, "")]

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
        about: dict[str, str | int | float | bool] = {"node": node.hex(), "name": member.claim.name if member else ""}
        return Emit(name, about | ({"plane": plane} if plane else {}))


def answer_to(received: Received, message: Message) -> GossipEffect:
    """To where it spoke from, on the plane on which it did.

    Of two with one key the roster knows one, and the other has to hear of it, too; whom no datagram reaches hears by its stream.
    """
    carry = Stream if received.streamed else Send
    return carry(received.sender, received.at, message)
