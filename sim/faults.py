"""What breaks: machines, disks and the network, at the moments that the scenario names.

Invariant: chance decides only who is hit and when within the named span; one machine is always left by a `crash`.
"""

from collections.abc import Sequence
from random import Random

from sim.metrics import Metrics
from sim.network import Network
from sim.node import MESH, Node
from sim.rot import spoil_cell
from sim.scenario import BitRot, Crash, Fault, Heal, LyingDisk, MassRestart, Partition, Restart
from sim.world import World


class Faults:
    """Breaks and mends a simulated mesh."""

    __slots__ = ("_metrics", "_network", "_nodes", "_rng", "_world")

    def __init__(self, world: World, network: Network, nodes: Sequence[Node], metrics: Metrics, rng: Random) -> None:
        self._world, self._network, self._nodes, self._metrics, self._rng = world, network, nodes, metrics, rng

    def begin(self, faults: Sequence[Fault]) -> None:
        """Have all of `faults` happen in their time."""
        for fault in faults:
            self._world.at(fault.at_s + self._rng.random() * fault.within_s, self.strike, fault)

    def strike(self, fault: Fault) -> None:
        """Have one fault happen now."""
        match fault:
            case Crash():
                self._crash(fault)
            case BitRot():
                self._rot(fault)
            case Restart(spread_s=spread_s):
                self._start_later([node for node in self._nodes if not node.up], 0.0, spread_s)
            case Partition():
                self._cut(fault)
            case Heal():
                self._heal(None)
            case MassRestart():
                self._restart_all(fault)
            case LyingDisk(count=count):
                for node in self._rng.sample(self._up(), min(count, len(self._up()))):
                    node.disk.lying = True

    def _up(self) -> list[Node]:
        return [node for node in self._nodes if node.up]

    def _crash(self, fault: Crash) -> None:
        up = self._up()
        hit = self._rng.sample(up, max(0, min(fault.count, len(up) - 1)))
        for node in hit:
            node.crash(fault.silent, fault.lost_disk)
        if fault.restart_after_s is not None:
            self._start_later(hit, fault.restart_after_s, 0.0)

    def _rot(self, fault: BitRot) -> None:
        up = self._up()
        hit = self._rng.sample(up, max(0, min(fault.count, len(up) - 1)))
        for node in hit:
            node.crash(silent=True, lost_disk=False)
            spoil_cell(node.disk.replica, MESH, self._rng)
        self._start_later(hit, fault.restart_after_s, 0.0)

    def _restart_all(self, fault: MassRestart) -> None:
        hit = self._up()
        for node in hit:
            node.crash(silent=True, lost_disk=False)
        self._start_later(hit, fault.down_s, fault.spread_s)

    def _start_later(self, nodes: Sequence[Node], after_s: float, spread_s: float) -> None:
        for node in nodes:
            self._world.at(self._world.now + after_s + self._rng.random() * spread_s, self._start, (node, node.life))

    def _start(self, order: tuple[Node, int]) -> None:
        node, life = order
        if not node.up and node.life == life:  # Otherwise another fault has started it before.
            node.start()

    def _cut(self, fault: Partition) -> None:
        order = [node.index for node in self._nodes]
        self._rng.shuffle(order)
        whole = sum(fault.shares) or 1.0
        bounds = [round(len(order) * sum(fault.shares[: number + 1]) / whole) for number in range(len(fault.shares))]
        self._network.cut([order[start:end] for start, end in zip([0, *bounds], bounds, strict=False)])
        if fault.heal_after_s is not None:
            self._world.at(self._world.now + fault.heal_after_s, self._heal, None)

    def _heal(self, _: None) -> None:
        self._network.heal()
        self._metrics.healed()
