"""How long a suspect has to refute (SWIM §4.2; Lifeguard §IV-B, local health aware suspicion).

Invariant: each suspicion has one clock, which starts with the suspicion of a claim, runs shorter with every voice and never longer
again but for time in which this process did not run.
"""

import math

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.gossip.members import Member
from mesh.ids import Boot, NodeId
from mesh.messages import Claim, Standing


class Suspicion(Struct):
    """A clock. `patience_s` are the shortest and longest times that it may take, `expected` the voices that make it shortest."""

    boot: Boot
    counter: int
    since: float
    shortest_s: float
    longest_s: float
    expected: int
    confirmations: int = 0
    postponed_s: float = 0.0

    @property
    def until(self) -> float:
        """When the suspect's time is over: max - (max - min) * ln(c + 1) / ln(K + 1) after `since`."""
        if self.confirmations >= self.expected:
            return self.since + self.shortest_s
        share = math.log(self.confirmations + 1) / math.log(self.expected + 1)
        return self.since + max(self.shortest_s, self.longest_s - (self.longest_s - self.shortest_s) * share)


class Scale(Struct, frozen=True):
    """What the time of a suspicion follows: the size of the mesh, and how long the suspect may at least be silent (seconds)."""

    members: int
    patience_s: float = 0.0


class Suspicions:
    """The clocks of all suspects."""

    __slots__ = ("_clocks", "_config", "_due")

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._clocks: dict[NodeId, Suspicion] = {}
        self._due = math.inf

    def __contains__(self, node: NodeId) -> bool:
        return node in self._clocks

    def deadline(self) -> float:
        """When the first clock runs out."""
        return self._due

    def watch(self, node: NodeId, member: Member | None, scale: Scale, now: float) -> None:
        """Start, shorten, keep or end the clock of `node`, after its standing may have changed."""
        if member is None or member.standing is not Standing.SUSPECT or member.accusation is None:
            self.end(node)
            return
        claim, clock = member.claim, self._clocks.get(node)
        if clock is None or (clock.boot, clock.counter) != (claim.boot, claim.counter):
            clock = self._clocks[node] = self._start(claim, scale, now)
        clock.confirmations = max(clock.confirmations, len(member.accusation.voices) - 1)
        self._reckon()

    def _start(self, claim: Claim, scale: Scale, now: float) -> Suspicion:
        shortest_s = shortest(self._config, scale.members)
        longest_s = shortest_s * self._config.suspicion_spread
        expected = self._config.confirmations
        if (
            scale.members - 2 < expected
        ):  # So many are not there: who is nearly alone takes neither the shortest nor the longest.
            expected, shortest_s = 0, shortest_s * (2 if self._config.confirm_fanout else 1)
        shortest_s = max(shortest_s, scale.patience_s)
        return Suspicion(claim.boot, claim.counter, now, shortest_s, max(longest_s, shortest_s), expected)

    def end(self, node: NodeId) -> None:
        """Stop the clock of `node`."""
        if self._clocks.pop(node, None) is not None:
            self._reckon()

    def due(self, now: float) -> list[tuple[NodeId, Suspicion]]:
        """Whose time is over. Their clocks run on until they are ended or postponed."""
        return [(node, clock) for node, clock in self._clocks.items() if now >= clock.until] if now >= self._due else []

    def postpone(self, by_s: float, only: NodeId | None = None) -> None:
        """Give every suspect, or `only` one, so much more time."""
        for node, clock in self._clocks.items():
            if only is None or node == only:
                clock.since += by_s
                clock.postponed_s += by_s
        self._reckon()

    def _reckon(self) -> None:
        self._due = min((clock.until for clock in self._clocks.values()), default=math.inf)


def shortest(config: GossipConfig, members: int) -> float:
    """The shortest time that a suspect has in a mesh of `members`, in seconds."""
    periods = max(config.suspicion_floor, config.suspicion_factor * max(1.0, math.log10(max(1, members))))
    return periods * config.probe_interval_s
