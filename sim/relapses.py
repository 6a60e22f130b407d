"""Machines that are taken back in time, or doubled: an older disk, a copied disk, a clock that was set.

Invariant: a copy of a machine is no machine of the mesh: nobody writes there, no check looks at it, and it goes off in time.
"""

from collections.abc import Sequence

from sim.breakage import RESTART_S, ClockJump, CopiedDisk, Rollback
from sim.disk import Snapshot
from sim.node import Node, Surroundings
from sim.switchboard import Switchboard


class Relapses:
    """Takes machines back, and doubles them."""

    __slots__ = ("_around", "_board", "_copies")

    def __init__(self, around: Surroundings, board: Switchboard) -> None:
        self._around, self._board = around, board
        self._copies = 0

    def roll_back(self, fault: Rollback, hit: Sequence[Node]) -> None:
        """Remember what disks hold now, and put it back later."""
        world = self._around.world
        for node in hit:
            world.at(world.now + fault.after_s, self._put_back, (node, node.snapshot(), fault.down_s))

    def _put_back(self, order: tuple[Node, Snapshot, float]) -> None:
        node, snapshot, down_s = order
        if node.up:
            if len(self._board.up()) <= 1:
                return
            node.crash(silent=True, lost_disk=False)
        node.restore(snapshot)
        self._board.start_later([node], down_s)

    def copy(self, fault: CopiedDisk, hit: Sequence[Node]) -> None:
        """Start a second machine from each one's disk."""
        around = self._around
        for node in hit:
            self._copies += 1
            double = Node(len(self._board.nodes) - 1 + self._copies, around, copy_of=node.name)
            double.restore(node.snapshot())
            around.network.attach(double)
            double.start()
            around.metrics.afflict(node)
            around.world.at(around.world.now + fault.lasts_s, self._take_away, (node, double))

    def _take_away(self, order: tuple[Node, Node]) -> None:
        node, double = order
        double.crash(silent=True, lost_disk=True)
        self._around.metrics.relieve(node)
        if node.up:
            node.crash(silent=False, lost_disk=False)
            self._board.start_later([node], RESTART_S)

    def set_clocks(self, fault: ClockJump, hit: Sequence[Node]) -> None:
        """Set wall clocks, and restart the processes if that is asked for."""
        for node in hit:
            node.clock.jump(fault.by_s)
        if fault.restart:
            hit = self._board.spared(list(hit))
            for node in hit:
                node.crash(silent=False, lost_disk=False)
            self._board.start_later(hit, RESTART_S)
