"""The table of links: who is linked with this node, how far it is, and whether news goes there at once.

Invariant: at most `room` links.
"""

from msgspec import Struct

from mesh.ids import NodeId
from mesh.messages import HINTS_MAX

FAR_S = 0.2  # How far a link is taken to be that was never measured: halfway around the world.


class Link(Struct):
    """One link. `rtt_s` is the measured round trip in seconds; `among` how many members it was drawn from.

    `ask_at`: when the other side is asked whether it holds the link, too, unless that shows before.
    """

    near: bool
    eager: bool
    rtt_s: float | None
    among: int
    pruned_at: float = float("-inf")
    ask_at: float = 0.0


class Table:
    """The links of one node, in the order in which they were agreed."""

    __slots__ = ("_room", "links")

    def __init__(self, room: int) -> None:
        self._room = room
        self.links: dict[NodeId, Link] = {}

    @property
    def full(self) -> bool:
        """Whether there is room for no other link."""
        return len(self.links) >= self._room

    @property
    def goal(self) -> int:
        """So many links a node asks for; the rest of its room is for those who ask it."""
        return max(2, self._room * 3 // 4)

    @property
    def near_goal(self) -> int:
        """So many of these are near."""
        return self.goal // 2

    def add(self, node: NodeId, link: Link) -> None:
        """Take up a link; one with the same node is replaced."""
        self.links[node] = link

    def remove(self, node: NodeId) -> None:
        """Forget a link, if there is one."""
        self.links.pop(node, None)

    def count(self, near: bool) -> int:
        """How many links are near, or are not."""
        return sum(link.near is near for link in self.links.values())

    def eager_count(self) -> int:
        """On how many links news leaves at once."""
        return sum(link.eager for link in self.links.values())

    def distance_s(self, node: NodeId) -> float:
        """The round trip to a link, in seconds, measured or guessed."""
        link = self.links.get(node)
        return link.rtt_s if link is not None and link.rtt_s is not None else FAR_S

    def nearest(self) -> tuple[NodeId, ...]:
        """The nearest links that were measured, as hints for others."""
        measured = [node for node, link in self.links.items() if link.rtt_s is not None]
        return tuple(sorted(measured, key=self.distance_s)[:HINTS_MAX])

    def nearest_lazy(self) -> NodeId | None:
        """The nearest link on which news does not leave at once."""
        return min((node for node, link in self.links.items() if not link.eager), key=self.distance_s, default=None)

    def longest_near(self) -> NodeId | None:
        """The near link that is farthest away."""
        return max((node for node, link in self.links.items() if link.near), key=self.distance_s, default=None)

    def stalest(self) -> NodeId | None:
        """The link by lot that was drawn from the fewest members."""
        return min(
            (node for node, link in self.links.items() if not link.near),
            key=lambda node: self.links[node].among,
            default=None,
        )

    def has_stale(self, among: float) -> bool:
        """Whether a link by lot was drawn from so many members at most."""
        return any(link.among <= among and not link.near for link in self.links.values())

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert len(self.links) <= self._room
