"""What is wrong with some machines for a while: their traffic, their speed, their disks.

Invariant: whatever begins ends by itself after `lasts_s`, and leaves no trace in how a machine behaves then.
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from sim.breakage import FullDisk, Loss, Slow, SlowDisk, Throttle
from sim.laws import Draw, draws
from sim.losses import Rule
from sim.node import Node, Surroundings
from sim.slowness import Blocked, Crawl, Standstill

Affliction = Loss | Slow | Throttle | FullDisk | SlowDisk


class _Flip(Struct, frozen=True, eq=False):
    fault: Loss
    rule: Rule
    until: float


class _Blocking(Struct, frozen=True, eq=False):
    node: Node
    fault: Slow
    blocked: Draw
    running: Draw | None
    until: float


class Afflictions:
    """Begins them and ends them."""

    __slots__ = ("_around", "_rng")

    def __init__(self, around: Surroundings, rng: Random) -> None:
        self._around, self._rng = around, rng

    def begin(self, fault: Affliction, hit: Sequence[Node]) -> None:
        """Let `fault` befall `hit`, and end in time."""
        match fault:
            case Loss():
                self._lose(fault, hit)
            case Slow():
                self._block(fault, hit)
            case Throttle():
                self._throttle(fault, hit)
            case FullDisk() | SlowDisk():
                self._spoil(fault, hit)

    def _lose(self, fault: Loss, hit: Sequence[Node]) -> None:
        others = frozenset(fault.towards) if fault.towards is not None else None
        rule = Rule(frozenset(node.index for node in hit), fault.loss, fault.direction, fault.plane, others)
        until = self._around.world.now + fault.lasts_s
        self._mark(hit, fault.lasts_s)
        self._put(_Flip(fault, rule, until))

    def _put(self, flip: _Flip) -> None:
        """Put a rule into force, until it is over or, with a flip-flop, for its time on."""
        world = self._around.world
        if world.now >= flip.until:
            return
        self._around.network.rules.add(flip.rule)
        on_s = flip.fault.on_s
        world.at(min(flip.until, world.now + on_s) if on_s is not None else flip.until, self._lift, flip)

    def _lift(self, flip: _Flip) -> None:
        self._around.network.rules.remove(flip.rule)
        if flip.fault.on_s is not None:
            self._around.world.at(self._around.world.now + flip.fault.off_s, self._put, flip)

    def _block(self, fault: Slow, hit: Sequence[Node]) -> None:
        world = self._around.world
        blocked = draws(fault.blocked, self._rng)
        running = draws(fault.running, self._rng) if fault.running is not None else None
        for node in hit:
            begins = world.now + self._rng.random() * fault.stagger_s
            self._mark([node], begins + fault.lasts_s - world.now)
            world.at(begins, self._shut, _Blocking(node, fault, blocked, running, begins + fault.lasts_s))

    def _shut(self, work: _Blocking) -> None:
        world = self._around.world
        if world.now >= work.until or work.node.hindered:
            return
        mode = work.fault.mode
        standstill = Blocked(world, work.node) if mode == "block" else Standstill(mode == "freeze")
        work.node.hinder(standstill)
        opens = min(work.until, world.now + work.blocked())
        world.at(opens, self._open, (work, standstill))

    def _open(self, order: tuple[_Blocking, Standstill]) -> None:
        work, standstill = order
        work.node.hinder(None)
        if standstill.dropped:
            self._around.network.traffic.dropped("full buffer", standstill.dropped)
        standstill.open(work.node, self._rng.random() < 0.5)
        if work.running is not None:
            self._around.world.at(self._around.world.now + work.running(), self._shut, work)

    def _throttle(self, fault: Throttle, hit: Sequence[Node]) -> None:
        world = self._around.world
        self._mark(hit, fault.lasts_s)
        for node in hit:
            if not node.hindered:
                node.hinder(Crawl(world, node, fault.event_s / fault.cpu_share))
                world.at(world.now + fault.lasts_s, self._release, node)

    def _release(self, node: Node) -> None:
        node.hinder(None)
        node.rest()

    def _spoil(self, fault: FullDisk | SlowDisk, hit: Sequence[Node]) -> None:
        commit = draws(fault.commit, self._rng) if isinstance(fault, SlowDisk) else None
        for node in hit:
            if commit is None:
                node.disk.full = True
            else:
                node.disk.commit = commit
        self._around.world.at(self._around.world.now + fault.lasts_s, self._mend, (hit, commit))

    def _mend(self, order: tuple[Sequence[Node], Draw | None]) -> None:
        hit, commit = order
        for node in hit:
            if commit is None:
                node.disk.full = False
            elif node.disk.commit is commit:
                node.disk.commit = None

    def _mark(self, hit: Sequence[Node], lasts_s: float) -> None:
        """Tell the metrics who is afflicted: a verdict about them is nobody's mistake."""
        metrics = self._around.metrics
        for node in hit:
            metrics.afflict(node)
        self._around.world.at(self._around.world.now + lasts_s, self._unmark, tuple(hit))

    def _unmark(self, hit: tuple[Node, ...]) -> None:
        for node in hit:
            self._around.metrics.relieve(node)
