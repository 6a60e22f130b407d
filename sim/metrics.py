"""What a run is measured by: detection, propagation, verdicts that were wrong.

Invariant: it only listens; nothing that a peer sees depends on what is measured.
"""

from typing import Protocol

from mesh.crdt.effects import Composed, Emit, NotComposed, Visible
from sim.ages import Ages
from sim.disk import LedgerDisk
from sim.journal import Journal
from sim.network import Network, Station
from sim.world import World

CALM_S = 20.0  # So long after a start or a healed cut, old verdicts still travel and are nobody's mistake.


class Watched(Station, Protocol):
    """What is asked of a node that is measured."""

    name: str
    started_at: float
    disk: LedgerDisk


class CrashSeen:
    """A crash, and when each survivor held the node down (seconds after the crash). Who dies later was no survivor.

    `suspected_s`: when the first survivor suspected it, if any did.
    """

    __slots__ = ("at", "name", "survivors", "suspected_s", "told_s")

    def __init__(self, name: str, at: float, survivors: list[str]) -> None:
        self.name, self.at = name, at
        self.survivors = dict.fromkeys(survivors)
        self.told_s: dict[str, float] = {}
        self.suspected_s: float | None = None


class Metrics:
    """Listens to what peers say that is no message."""

    __slots__ = (
        "_afflicted",
        "_calm_at",
        "_down",
        "_network",
        "_nodes",
        "_world",
        "afflicted_downs",
        "ages",
        "crashes",
        "events",
        "false_accusations",
        "false_downs",
        "false_downs_at_healthy",
        "journal",
    )

    def __init__(self, world: World, network: Network, journal: Journal) -> None:
        self._world, self._network, self.journal = world, network, journal
        self._nodes: dict[str, Watched] = {}
        self._down: dict[str, CrashSeen] = {}
        self._afflicted: dict[str, int] = {}
        self._calm_at = 0.0
        self.ages = Ages()
        self.crashes: list[CrashSeen] = []
        self.events: dict[str, int] = {}
        self.false_accusations = 0  # Verdicts of those who found out for themselves.
        self.false_downs = 0  # The same, counted at everybody who believed it (Lifeguard's FP).
        self.false_downs_at_healthy = 0  # The same, at believers with whom nothing is wrong (Lifeguard's FP-).
        self.afflicted_downs = 0  # The same about members with whom something was wrong: nobody's mistake.

    def watch(self, node: Watched) -> None:
        """Measure this node too."""
        self._nodes[node.name] = node

    def hear(self, node: Watched, said: Emit | Visible | Composed | NotComposed) -> None:
        """Take in what a peer said."""
        now = self._world.now
        match said:
            case Visible(batches):
                self.journal.show(node.index, node.started_at, batches, now)
                self.journal.graves.show(node.index, batches, node.disk.replica, now)
            case Composed(request, head):
                self.journal.acknowledge(request, head, now)
            case NotComposed(_, error):
                self.journal.refuse(type(error).__name__)
            case Emit(name):
                self.events[name] = self.events.get(name, 0) + 1
                if name == "member.down":
                    self._on_down(node, said)
                elif name == "member.suspect":
                    self._on_suspect(said)

    def crashed(self, node: Watched) -> None:
        """A node went down. One that is not watched, a copied machine, is none of the mesh's."""
        if node.name not in self._nodes:
            return
        for crash in self._down.values():
            crash.survivors.pop(node.name, None)
            crash.told_s.pop(node.name, None)
        alive = [other.name for other in self._nodes.values() if other.up and other is not node]
        self._down[node.name] = CrashSeen(node.name, self._world.now, alive)
        self.crashes.append(self._down[node.name])

    def started(self, node: Watched) -> None:
        """A node came up."""
        self._down.pop(node.name, None)

    def afflict(self, node: Watched) -> None:
        """Something is wrong with a node: it is slow, or its traffic is lost. May be said several times."""
        self._afflicted[node.name] = self._afflicted.get(node.name, 0) + 1

    def is_afflicted(self, name: str) -> bool:
        """Whether something is wrong with a node, or was a moment ago."""
        return self._afflicted.get(name, 0) > 0

    def relieve(self, node: Watched) -> None:
        """One of the things said by `afflict` is over; for a while its verdicts still travel."""
        self._world.at(self._world.now + CALM_S, self._forget, node.name)

    def _forget(self, name: str) -> None:
        self._afflicted[name] -= 1

    def healed(self) -> None:
        """The network is whole again."""
        self._calm_at = self._world.now + CALM_S

    def _on_suspect(self, said: Emit) -> None:
        crash = self._down.get(str(said.about["name"]))
        if crash is not None and crash.suspected_s is None:
            crash.suspected_s = self._world.now - crash.at

    def _on_down(self, node: Watched, said: Emit) -> None:
        name, now = str(said.about["name"]), self._world.now
        crash = self._down.get(name)
        if crash is not None:
            if node.name in crash.survivors:
                crash.told_s.setdefault(node.name, now - crash.at)
            return
        accused = self._nodes[name]
        if self._afflicted.get(name, 0):
            self.afflicted_downs += 1
            return
        excused = now < max(self._calm_at, accused.started_at + CALM_S) or self._network.separated(node, accused)
        if not excused:
            self.false_downs += 1
            self.false_downs_at_healthy += not self._afflicted.get(node.name, 0)
            self.false_accusations += said.about["accuser"] == node.node.hex()
