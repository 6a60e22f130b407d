"""Nobody who is well stays dead for others: how long a node is held down that runs and can be reached.

Invariant: time counts only while both are up, no cut runs between them and nothing is wrong with either; a start begins it anew.
"""

from collections.abc import Sequence

from mesh.gossip.members import Member
from mesh.ids import NodeId
from sim.metrics import Metrics
from sim.network import Network
from sim.node import Node
from sim.world import World

LOOKS_PER_BOUND = 10  # So much later than the bound a broken promise may be noticed, as a share of the bound.
BROKEN_MAX = 20


class Vigil:
    """Looks at every node's roster from time to time. `broken` are the promises that were not kept."""

    __slots__ = ("_bound_s", "_metrics", "_network", "_nodes", "_since", "_world", "broken")

    def __init__(self, world: World, network: Network, metrics: Metrics, bound_s: float) -> None:
        self._world, self._network, self._metrics, self._bound_s = world, network, metrics, bound_s
        self._nodes: dict[NodeId, Node] = {}
        self._since: dict[tuple[int, int], float] = {}
        self.broken: list[str] = []

    def begin(self, nodes: Sequence[Node]) -> None:
        """Watch over these nodes from now on."""
        self._nodes = {node.node: node for node in nodes}
        self._world.at(self._world.now + self._bound_s / LOOKS_PER_BOUND, self._look, None)

    def _look(self, _: None) -> None:
        now, well = self._world.now, [node for node in self._nodes.values() if self._is_well(node)]
        seen: dict[tuple[int, int], float] = {}
        agreed: dict[bytes, bool] = {}  # Rosters with equal digests hold the same members dead.
        for node in well:
            assert node.peer is not None
            digest = node.peer.roster.digest
            if agreed.get(digest):
                continue
            wrong = self._held_dead(node, node.peer.roster.members())
            agreed[digest] = not wrong
            for other in wrong:
                pair = (node.index, other.index)
                since = max(self._since.get(pair, now), node.started_at, other.started_at)
                seen[pair] = self._judge(node, other, since)
        self._since = seen
        self._world.at(now + self._bound_s / LOOKS_PER_BOUND, self._look, None)

    def _held_dead(self, node: Node, members: Sequence[Member]) -> list[Node]:
        """Whom `node` holds dead though it is up and well, and reachable from there."""
        held = [self._nodes.get(member.claim.node) for member in members if not member.reachable]
        return [
            other
            for other in held
            if other is not None and self._is_well(other) and not self._network.separated(node, other)
        ]

    def _is_well(self, node: Node) -> bool:
        return node.up and not node.hindered and not self._metrics.is_afflicted(node.name)

    def _judge(self, node: Node, other: Node, since: float) -> float:
        """Tell where the bound is broken, once. Returns since when that counts."""
        now = self._world.now
        if now - since <= self._bound_s:
            return since
        if len(self.broken) < BROKEN_MAX:
            self.broken.append(
                f"at {now:.3f} s {node.name} has held {other.name} dead for more than {self._bound_s:g} s, which runs and"
                " can be reached"
            )
        return float("inf")
