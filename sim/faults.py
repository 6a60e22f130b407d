"""What breaks: machines, disks and the network, at the moments that the scenario names.

Invariant: chance decides only who is hit and when within the named span; one machine is always left by a `crash`.
"""

from collections.abc import Sequence
from random import Random

from sim.afflictions import Afflictions
from sim.breakage import (
    BitRot,
    Churn,
    ChurnTrace,
    ClockJump,
    CopiedDisk,
    Crash,
    Fault,
    FullDisk,
    Heal,
    Hitting,
    HittingFault,
    Loss,
    LyingDisk,
    MassRestart,
    Partition,
    Rename,
    ResetStreams,
    Restart,
    Rollback,
    RollingRestart,
    Slow,
    SlowDisk,
    Throttle,
)
from sim.choosing import chosen, grouped
from sim.churn import Churning
from sim.names import name_of
from sim.node import MESH, Node, Surroundings
from sim.relapses import Relapses
from sim.rot import spoil_cell
from sim.switchboard import Switchboard


class Faults:
    """Breaks and mends a simulated mesh."""

    __slots__ = ("_afflictions", "_around", "_board", "_churning", "_nodes", "_relapses", "_rng")

    def __init__(self, around: Surroundings, nodes: Sequence[Node], rng: Random) -> None:
        self._around, self._nodes, self._rng = around, nodes, rng
        self._board = Switchboard(around.world, nodes, rng)
        self._afflictions = Afflictions(around, rng)
        self._relapses = Relapses(around, self._board)
        self._churning = Churning(around.world, self._board, rng)

    def begin(self, faults: Sequence[Fault]) -> None:
        """Have all of `faults` happen in their time."""
        for fault in faults:
            self._around.world.at(fault.at_s + self._rng.random() * fault.within_s, self.strike, fault)

    def strike(self, fault: Fault) -> None:
        """Have one fault happen now."""
        match fault:
            case Hitting():
                self._hit(fault)
            case Restart(spread_s=spread_s):
                self._board.start_later([node for node in self._nodes if not node.up], 0.0, spread_s)
            case Partition():
                self._cut(fault)
            case Rename(nodes=nodes):
                self._around.network.names.point([name_of(index) for index in nodes])
            case Heal():
                self._heal(None)
            case MassRestart():
                self._restart_all(fault)
            case RollingRestart():
                self._churning.roll(fault)
            case ChurnTrace():
                self._churning.replay(fault)

    def _hit(self, fault: HittingFault) -> None:
        hit = chosen(fault, self._board.up(), self._around.network, self._rng)
        match fault:
            case Crash():
                self._crash(fault, hit)
            case Loss() | Slow() | Throttle() | FullDisk() | SlowDisk():
                self._afflictions.begin(fault, hit)
            case Rollback():
                self._relapses.roll_back(fault, hit)
            case CopiedDisk():
                self._relapses.copy(fault, hit)
            case ClockJump():
                self._relapses.set_clocks(fault, hit)
            case Churn():
                self._churning.begin(fault, hit)
            case ResetStreams():
                for node in hit:
                    self._around.streams.reset(node)
            case LyingDisk():
                for node in hit:
                    node.disk.lying = True
            case BitRot():
                self._rot(fault, hit)

    def _crash(self, fault: Crash, hit: list[Node]) -> None:
        hit = self._board.spared(hit)
        for node in hit:
            node.crash(fault.silent, fault.lost_disk)
            if fault.moved:
                node.move()
        if fault.restart_after_s is not None:
            self._board.start_later(hit, fault.restart_after_s)

    def _rot(self, fault: BitRot, hit: list[Node]) -> None:
        hit = self._board.spared(hit)
        for node in hit:
            node.crash(silent=True, lost_disk=False)
            spoil_cell(node.disk.replica, MESH, self._rng)
        self._board.start_later(hit, fault.restart_after_s)

    def _restart_all(self, fault: MassRestart) -> None:
        hit = self._board.up()
        for node in hit:
            node.crash(silent=True, lost_disk=False)
        self._board.start_later(hit, fault.down_s, fault.spread_s)

    def _cut(self, fault: Partition) -> None:
        groups = grouped(fault.unit, self._nodes, self._around.network)
        self._rng.shuffle(groups)
        whole = sum(fault.shares) or 1.0
        bounds = [round(len(groups) * sum(fault.shares[: number + 1]) / whole) for number in range(len(fault.shares))]
        parts = [groups[start:end] for start, end in zip([0, *bounds], bounds, strict=False)]
        self._around.network.cut([[node.index for group in part for node in group] for part in parts])
        if fault.heal_after_s is not None:
            self._around.world.at(self._around.world.now + fault.heal_after_s, self._heal, None)

    def _heal(self, _: None) -> None:
        self._around.network.heal()
        self._around.metrics.healed()
