"""The sounder measures how far members are, and finds near ones by asking near ones (Meridian: Wong, Slivkins, Sirer 2005).

Invariant: at most `KNOWN_MAX` distances and `SOUNDING_MAX` open questions are kept; a distance is this node's own measurement.
"""

from collections import deque
from math import inf
from random import Random

from mesh.gossip.roster import Roster
from mesh.gossip.table import Table
from mesh.ids import NodeId
from mesh.messages import Echo, Sound

KNOWN_MAX = 16
SOUNDING_MAX = 32
HINTS_KEPT_MAX = 16
FIRST_S = 0.2  # The first questions follow each other so quickly,
LAST_S = 8.0  # and once all is known, so slowly.
SLOWER = 1.1
NEARER = 0.7
SMOOTHING = 0.25  # Of a new measurement in a link's distance (TCP's, RFC 6298, is an eighth; these come less often).


class Sounder:
    """Whom to measure next, and what was measured."""

    __slots__ = ("_asked", "_at", "_hints", "_interval_s", "_known", "_rng", "_roster", "_stamp", "_table", "_turn")

    def __init__(self, roster: Roster, table: Table, rng: Random, now: float) -> None:
        self._roster, self._table, self._rng = roster, table, rng
        self._known: dict[NodeId, float] = {}
        self._hints: deque[NodeId] = deque(maxlen=HINTS_KEPT_MAX)
        self._asked: dict[int, tuple[NodeId, float]] = {}
        self._stamp = rng.getrandbits(31)
        self._turn = 0
        self._interval_s = FIRST_S
        self._at = now

    def deadline(self) -> float:
        """When the next question is due."""
        return self._at

    def rtt_s(self, node: NodeId) -> float | None:
        """The measured round trip to a member that is near or linked, in seconds."""
        link = self._table.links.get(node)
        return link.rtt_s if link is not None else self._known.get(node)

    def nearest(self) -> list[NodeId]:
        """Known members that are not linked, the nearest first."""
        return sorted((node for node in self._known if node not in self._table.links), key=self._known.__getitem__)

    def tick(self, now: float) -> list[tuple[NodeId, Sound]]:
        """The question that is due, if any."""
        if now < self._at:
            return []
        self._interval_s = min(LAST_S, self._interval_s * SLOWER)
        self._at = now + self._interval_s * (0.75 + 0.5 * self._rng.random())
        node = self._next()
        if node is None:
            return []
        while len(self._asked) >= SOUNDING_MAX:
            del self._asked[next(iter(self._asked))]
        self._stamp = (self._stamp + 1) % 2**32
        self._asked[self._stamp] = (node, now)
        return [(node, Sound(self._stamp, node in self._table.links))]

    def _next(self) -> NodeId | None:
        """By turns a link and a member that may be near: one that a near one named, or any."""
        self._turn += 1
        links = self._table.links
        if links and self._turn % 2 == 0:
            unknown = [node for node, link in links.items() if link.rtt_s is None]
            return unknown[0] if unknown else list(links)[self._turn // 2 % len(links)]
        while self._hints:
            node = self._hints.popleft()
            if self._is_new(node):
                return node
        others = self._roster.others()
        return self._rng.choice(others) if others else None

    def _is_new(self, node: NodeId) -> bool:
        known = node in self._table.links or node in self._known or node == self._roster.me
        return not known and self._roster.get(node) is not None

    def echo(self, sender: NodeId, echo: Echo, now: float) -> float | None:
        """An answer came. Returns the round trip in seconds; None: it was no answer to us."""
        node, asked_at = self._asked.pop(echo.stamp, (None, 0.0))
        if node != sender:
            return None
        rtt_s = now - asked_at
        nearest_s = min(self._known.values(), default=inf)
        self._take_hints(echo.near, rtt_s, nearest_s)
        if rtt_s < NEARER * nearest_s:  # A trail: follow it quickly.
            self._interval_s, self._at = FIRST_S, min(self._at, now + FIRST_S)
        link = self._table.links.get(sender)
        if link is not None:
            link.rtt_s = rtt_s if link.rtt_s is None else link.rtt_s + SMOOTHING * (rtt_s - link.rtt_s)
            return rtt_s
        self._known[sender] = rtt_s
        if len(self._known) > KNOWN_MAX:
            del self._known[max(self._known, key=self._known.__getitem__)]
        return rtt_s

    def _take_hints(self, near: tuple[NodeId, ...], rtt_s: float, nearest_s: float) -> None:
        """What is near to the nearest that we know may be near to us; what is near to a far one is not."""
        if rtt_s > 2 * nearest_s:
            return
        for node in near:
            if self._is_new(node) and node not in self._hints:
                self._hints.append(node)
