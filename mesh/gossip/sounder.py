"""The sounder measures how far members are, and finds near ones by asking near ones (Meridian: Wong, Slivkins, Sirer 2005, §3).

Invariant: at most `KNOWN_MAX` distances, `FAR_MAX` members that are farther and `SOUNDING_MAX` open questions are kept; a distance
is this node's own measurement, by a question here or by the prober's.
"""

from collections import deque
from math import inf
from random import Random

from mesh.gossip.roster import Roster
from mesh.gossip.roundtrips import RoundTrips
from mesh.gossip.table import Table
from mesh.ids import NodeId
from mesh.messages import HINTS_MAX, Echo, Sound

KNOWN_MAX = 16
FAR_MAX = 256  # So many are remembered as farther than the known ones, and not asked again on a hint.
SOUNDING_MAX = 32
HINTS_KEPT_MAX = 16
FIRST_S = 0.2  # The first questions follow each other so quickly,
LAST_S = 64.0  # and once all is known, so slowly: ten for each e times the age.
SLOWER = 1.1
KEPT_S = 60.0  # About so long a link counts as held by both without a sign: lost `Accept`s and `Drop`s are rare.
AGAIN_S = 5.0  # A question to a link that had no answer is asked again.
NEARER = 0.7
SMOOTHING = 0.25  # Of a new measurement in a link's distance (TCP's, RFC 6298, is an eighth; these come less often).
RING = 0.15  # Of a distance: who is as far from a third as I am may be near to me (Meridian's rings, §3.2);
RING_S = 0.001  # and so much for noise on short ways.
ENOUGH_S = 0.002  # Nearer than this, a building away, no link need be: a commit takes as long.


class Sounder:
    """Whom to measure next, and what was measured."""

    __slots__ = (
        "_asked",
        "_far",
        "_heeded",
        "_hints",
        "_interval_s",
        "_known",
        "_near_turn",
        "_rng",
        "_roster",
        "_roundtrips",
        "_seek_at",
        "_stamp",
        "_table",
        "_turn",
    )

    def __init__(self, roster: Roster, table: Table, roundtrips: RoundTrips, rng: Random, now: float) -> None:
        self._roster, self._table, self._roundtrips, self._rng = roster, table, roundtrips, rng
        self._heeded = roundtrips.count
        self._known: dict[NodeId, float] = {}
        self._far: dict[NodeId, None] = {}
        self._hints: deque[NodeId] = deque(maxlen=HINTS_KEPT_MAX)
        self._asked: dict[int, tuple[NodeId, float]] = {}
        self._stamp = rng.getrandbits(31)
        self._turn = self._near_turn = 0
        self._interval_s = FIRST_S
        self._seek_at = now

    def deadline(self) -> float:
        """When the next question is due: to a link of which nothing was heard for long, or of a search, while there is one."""
        kept = min([link.ask_at for link in self._table.links.values()], default=inf)
        return kept if self.has_enough else min(kept, self._seek_at)

    def rtt_s(self, node: NodeId) -> float | None:
        """The measured round trip to a member that is near or linked, in seconds."""
        link = self._table.links.get(node)
        return link.rtt_s if link is not None else self._known.get(node)

    def nearest(self) -> list[NodeId]:
        """Known members that are not linked, the nearest first."""
        return sorted((node for node in self._known if node not in self._table.links), key=self._known.__getitem__)

    def tick(self, now: float) -> list[tuple[NodeId, Sound]]:
        """The question that is due, if any."""
        node = next((node for node, link in self._table.links.items() if link.ask_at <= now), None)
        if node is None and now >= self._seek_at and not self.has_enough:
            self._interval_s = min(LAST_S, self._interval_s * SLOWER)
            interval_s = FIRST_S if self._hints else self._interval_s
            self._seek_at = now + interval_s * (0.75 + 0.5 * self._rng.random())
            node = self._next()
        return [self._ask(node, now)] if node is not None else []

    def _ask(self, node: NodeId, now: float) -> tuple[NodeId, Sound]:
        link = self._table.links.get(node)
        if link is not None:
            link.ask_at = now + AGAIN_S
        while len(self._asked) >= SOUNDING_MAX:
            del self._asked[next(iter(self._asked))]
        self._stamp = (self._stamp + 1) % 2**32
        self._asked[self._stamp] = (node, now)
        return node, Sound(self._stamp, link is not None, int(1e6 * (self.rtt_s(node) or 0.0)))

    def shown(self, node: NodeId, now: float) -> None:
        """There was a sign that the other side holds the link as well: it need not be asked for a while, but how far it is."""
        link = self._table.links[node]
        link.ask_at = now + (KEPT_S * (0.75 + 0.5 * self._rng.random()) if link.rtt_s is not None else AGAIN_S)

    def _next(self) -> NodeId | None:
        """By turns a link and a member that may be near: one that a near one named, a near one for its hints, or any."""
        self._turn += 1
        links = self._table.links
        if links and self._turn % 2 == 0:
            return list(links)[self._turn // 2 % len(links)]
        while self._hints:
            node = self._hints.popleft()
            if node not in links and self._roster.get(node) is not None:
                return node
        near = self.nearest() if self._turn % 4 == 1 else []
        if near:
            self._near_turn += 1
            return near[self._near_turn % len(near)]
        others = self._roster.others()
        return self._rng.choice(others) if others else None

    @property
    def has_enough(self) -> bool:
        """Whether there are links enough that are as near as need be: no other is looked for then."""
        longest = self._table.longest_near()
        if longest is None or self._table.count(near=True) < self._table.near_goal:
            return False
        return self._table.distance_s(longest) <= ENOUGH_S

    def answer(self, sender: NodeId, sound: Sound) -> Echo:
        """Who may be near to `sender`: who is about as far from here; where its distance is not known, who is near to here."""
        if not sound.away_us:
            return Echo(sound.stamp, self._table.nearest())
        away_s = sound.away_us / 1e6
        width_s, links = RING * away_s + RING_S, self._table.links
        measured = dict(self._roundtrips.rows()) | {node: self._table.distance_s(node) for node in links}
        ring = [node for node, rtt_s in measured.items() if abs(rtt_s - away_s) <= width_s and node != sender]
        found = [node for node in ring if self._roster.get(node) is not None]
        return Echo(sound.stamp, tuple(self._rng.sample(found, min(HINTS_MAX, len(found)))))

    def echo(self, sender: NodeId, echo: Echo, now: float) -> float | None:
        """An answer came. Returns the round trip in seconds; None: it was no answer to us."""
        node, asked_at = self._asked.pop(echo.stamp, (None, 0.0))
        if node != sender:
            return None
        rtt_s = now - asked_at
        self._take_hints(echo.near, rtt_s)
        self._follow(rtt_s, now)
        link = self._table.links.get(sender)
        if link is not None:
            link.rtt_s = rtt_s if link.rtt_s is None else link.rtt_s + SMOOTHING * (rtt_s - link.rtt_s)
            self.shown(sender, now)
        else:
            self._learn(sender, rtt_s)
        return rtt_s

    def heed_probes(self, now: float) -> None:
        """Take in whom the prober has measured since: it meets everybody in turn, and what is near has near ones, too."""
        fresh, self._heeded = self._roundtrips.count - self._heeded, self._roundtrips.count
        for node, rtt_s in self._roundtrips.latest(min(fresh, KNOWN_MAX)):
            link = self._table.links.get(node)
            if link is not None:
                link.rtt_s = rtt_s
                continue
            if node not in self._known and rtt_s < 2 * self._nearest_s():
                self._hints.appendleft(node)
            self._follow(rtt_s, now)
            self._learn(node, rtt_s)

    def _nearest_s(self) -> float:
        return min(self._known.values(), default=inf)

    def _follow(self, rtt_s: float, now: float) -> None:
        """A trail is followed quickly."""
        if rtt_s < NEARER * self._nearest_s():
            self._interval_s, self._seek_at = FIRST_S, min(self._seek_at, now + FIRST_S)

    def _learn(self, node: NodeId, rtt_s: float) -> None:
        self._known[node] = rtt_s
        if len(self._known) > KNOWN_MAX:
            far = max(self._known, key=self._known.__getitem__)
            del self._known[far]
            self._far[far] = None
            if len(self._far) > FAR_MAX:
                del self._far[next(iter(self._far))]

    def _take_hints(self, near: tuple[NodeId, ...], rtt_s: float) -> None:
        """What the nearest that we know name may be near to us; what far ones name mostly is not."""
        if rtt_s > 2 * self._nearest_s() or self.has_enough:
            return
        for node in near:
            if self._is_new(node) and node not in self._hints:
                self._hints.append(node)

    def _is_new(self, node: NodeId) -> bool:
        met = node in self._table.links or node in self._known or node in self._far or node == self._roster.me
        return not met and self._roundtrips.smoothed_s(node) is None and self._roster.get(node) is not None

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert len(self._known) <= KNOWN_MAX
        assert len(self._far) <= FAR_MAX
        assert len(self._asked) <= SOUNDING_MAX
