"""Small simulated meshes for tests.

Invariant: nothing here is random, and every scenario made here is valid.
"""

from sim.node import Node
from sim.run import SimulatedMesh
from sim.scenario import Scenario, read_scenario


def scenario(**changes: object) -> Scenario:
    """Four nodes, forty seconds, one write a second; a dict changes a part, anything else replaces it."""
    raw: dict[str, object] = {
        "about": "a test",
        "name": "test",
        "nodes": 4,
        "seconds": 40.0,
        "workload": {"writes_per_s": 1.0, "settle_s": 10.0, "publish_interval_s": 2.0},
        "checks": {"every": 1},
    }
    for name, value in changes.items():
        before = raw.get(name)
        raw[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return read_scenario(raw, "test")


class Listening:
    """A mesh whose events are kept."""

    def __init__(self, made: Scenario, seed: int = 1) -> None:
        self.mesh = SimulatedMesh(made, seed)
        self.world, self.nodes = self.mesh.world, self.mesh.nodes

    def count(self, name: str) -> int:
        """How often an event was told so far, at any node."""
        return self.mesh.metrics.events.get(name, 0)

    def alive_at(self, node: Node) -> list[str]:
        """The names that a node holds alive, sorted."""
        assert node.peer is not None
        return sorted(member.claim.name for member in node.peer.roster.members() if member.reachable)
