"""Turns simulated machines off and on again.

Invariant: a machine is started only if nobody else has started or stopped it since that was decided.
"""

from collections.abc import Sequence
from random import Random

from sim.node import Node
from sim.world import World


class Switchboard:
    """All machines of a mesh with their switches."""

    __slots__ = ("_rng", "_world", "nodes")

    def __init__(self, world: World, nodes: Sequence[Node], rng: Random) -> None:
        self._world, self.nodes, self._rng = world, nodes, rng

    def up(self) -> list[Node]:
        """Those that are on, in the order of their numbers."""
        return [node for node in self.nodes if node.up]

    def spared(self, hit: list[Node]) -> list[Node]:
        """As many of `hit` as can stop while somebody goes on."""
        return hit[: max(0, len(self.up()) - 1)]

    def start_later(self, nodes: Sequence[Node], after_s: float, spread_s: float = 0.0) -> None:
        """Start machines that are off, `after_s` from now and up to `spread_s` later each."""
        for node in nodes:
            when = self._world.now + after_s + self._rng.random() * spread_s
            self._world.at(when, self._start, (node, node.life))

    def _start(self, order: tuple[Node, int]) -> None:
        node, life = order
        if not node.up and node.life == life:
            node.start()
