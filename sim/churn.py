"""Machines that come and go: by laws of chance, by a file, or one after the other.

Invariant: when a churn is over every machine that it took down is started; at least one machine is up at any time.
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from mesh.errors import UsageError
from sim.breakage import Churn, ChurnTrace, RollingRestart
from sim.laws import Draw, draws
from sim.node import Node
from sim.packaged import read_named
from sim.switchboard import Switchboard
from sim.world import World


class _Flock(Struct, eq=False):
    """Who churns, how, and until when. `away` are those that are down and wait for an arrival."""

    churn: Churn
    session: Draw
    absence: Draw | None
    until: float
    members: list[Node]
    away: list[Node]


class Churning:
    """Takes machines down and brings them back."""

    __slots__ = ("_board", "_rng", "_world")

    def __init__(self, world: World, board: Switchboard, rng: Random) -> None:
        self._world, self._board, self._rng = world, board, rng

    def begin(self, churn: Churn, members: Sequence[Node]) -> None:
        """Let `members` come and go. Each is up at the beginning, and somewhere in the middle of a session."""
        session = draws(churn.sessions, self._rng)
        absence = draws(churn.absences, self._rng) if churn.absences is not None else None
        flock = _Flock(churn, session, absence, self._world.now + churn.lasts_s, list(members), [])
        for node in members:
            self._world.at(self._world.now + session() * self._rng.random(), self._leave, (flock, node, node.life))
        if churn.arrivals_per_s:
            self._world.at(self._world.now + self._gap(churn.arrivals_per_s), self._arrive, flock)
        self._world.at(flock.until, self._end, flock)

    def _gap(self, rate: float) -> float:
        return self._rng.expovariate(rate)

    def _leave(self, order: tuple[_Flock, Node, int]) -> None:
        flock, node, life = order
        if self._world.now >= flock.until or not node.up or node.life != life:
            return
        if len(self._board.up()) <= 1:  # Somebody must go on: it stays for another session.
            self._world.at(self._world.now + flock.session(), self._leave, order)
            return
        node.crash(flock.churn.silent, flock.churn.lost_disk)
        flock.away.append(node)
        if flock.absence is not None:
            self._world.at(self._world.now + flock.absence(), self._come_back, (flock, node))

    def _arrive(self, flock: _Flock) -> None:
        rate = flock.churn.arrivals_per_s
        if self._world.now >= flock.until or not rate:
            return
        self._world.at(self._world.now + self._gap(rate), self._arrive, flock)
        if flock.away:
            self._come_back((flock, self._rng.choice(flock.away)))

    def _come_back(self, order: tuple[_Flock, Node]) -> None:
        flock, node = order
        if node not in flock.away or self._world.now >= flock.until:
            return
        flock.away.remove(node)
        if not node.up:
            node.start()
        self._world.at(self._world.now + flock.session(), self._leave, (flock, node, node.life))

    def _end(self, flock: _Flock) -> None:
        for node in flock.away:
            if not node.up:
                node.start()
        flock.away.clear()

    def roll(self, fault: RollingRestart) -> None:
        """Restart node after node."""
        nodes = self._board.nodes
        for number, first in enumerate(range(0, len(nodes), fault.batch)):
            batch = nodes[first : first + fault.batch]
            self._world.at(self._world.now + number * fault.pause_s, self._restart, (batch, fault.down_s))

    def _restart(self, order: tuple[Sequence[Node], float]) -> None:
        batch, down_s = order
        hit = self._board.spared([node for node in batch if node.up])
        for node in hit:
            node.crash(silent=False, lost_disk=False)
        self._board.start_later(hit, down_s)

    def replay(self, fault: ChurnTrace) -> None:
        """Do what a file says, and start all that is down when it is over."""
        begin = self._world.now
        for change in read_changes(fault.file, len(self._board.nodes), fault.lasts_s):
            self._world.at(begin + change.at_s, self._switch, (change, fault.silent))
        self._world.at(begin + fault.lasts_s, self._start_all, None)

    def _switch(self, order: tuple["Change", bool]) -> None:
        change, silent = order
        node = self._board.nodes[change.node]
        if change.up and not node.up:
            node.start()
        elif not change.up and node.up and len(self._board.up()) > 1:
            node.crash(silent, lost_disk=False)

    def _start_all(self, _: None) -> None:
        for node in self._board.nodes:
            if not node.up:
                node.start()


class Change(Struct, frozen=True):
    """One line of a churn trace: at which second which node comes up or goes down."""

    at_s: float
    node: int
    up: bool


def read_changes(path: str, nodes: int, lasts_s: float) -> list[Change]:
    """The lines `time,node,up` or `time,node,down` of a file, in their order; `#` begins a remark. Raises UsageError."""
    try:
        lines = read_named(path).splitlines()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path}: can't read a churn trace: {error}", field="faults.file") from None
    return [
        _change(path, number, line, (nodes, lasts_s))
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _change(path: str, number: int, line: str, limits: tuple[int, float]) -> Change:
    nodes, lasts_s = limits
    words = [word.strip() for word in line.split(",")]
    try:
        at_s, node, up = float(words[0]), int(words[1]), {"up": True, "down": False}[words[2]]
    except (ValueError, IndexError, KeyError):
        said = f"{path}: line {number}: `time,node,up` or `time,node,down` was expected: {line.strip()[:40]!r}"
        raise UsageError(said, field="faults.file", todo="for example 12.5,3,down") from None
    if not 0 <= node < nodes or not 0.0 <= at_s <= lasts_s:
        said = f"{path}: line {number}: node {node} at {at_s:g} s is not in a run of {nodes} nodes and {lasts_s:g} s"
        raise UsageError(said, field="faults.file", todo="use more nodes, or a longer lasts_s")
    return Change(at_s, node, up)
