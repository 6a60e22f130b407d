"""The prober notices members that stop answering (SWIM §3.1, §4.3).

Invariant: at most one member is probed at a time, in a shuffled round so that each is probed once per round; every moment it
waits for is in `deadline()`.
"""

import math
from random import Random

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.gossip.roster import Roster
from mesh.ids import Boot, NodeId
from mesh.messages import Standing

RELAYS_MAX = 256  # Probes passed on for others that wait for an answer.


class Probing(Struct):
    """The probe that is outstanding."""

    target: NodeId
    probe: int
    ask_helpers_at: float
    helpers_asked: bool = False


class Relay(Struct, frozen=True):
    """A probe that we make for another member."""

    requester: NodeId
    probe: int
    target: NodeId
    until: float


class Ask(Struct, frozen=True):
    """Ping `target` as probe number `probe`."""

    target: NodeId
    probe: int


class AskHelpers(Struct, frozen=True):
    """Have `helpers` ping `target`, as probe number `probe`."""

    target: NodeId
    probe: int
    helpers: tuple[NodeId, ...]


class Verdict(Struct, frozen=True):
    """`target` stands as `standing` from now on."""

    target: NodeId
    standing: Standing


Step = Ask | AskHelpers | Verdict


class Prober:
    """Whom to ask next, and what silence means."""

    def __init__(self, roster: Roster, config: GossipConfig, rng: Random, now: float) -> None:
        self._roster, self._config, self._rng = roster, config, rng
        self._round: list[NodeId] = []
        self._urgent: list[NodeId] = []
        self._probing: Probing | None = None
        self._probe = rng.getrandbits(32)
        self._next_at = now + rng.random() * config.probe_interval_s  # Nodes started together do not probe together.
        self._relays: dict[int, Relay] = {}
        self._suspicions: dict[NodeId, tuple[Boot, int, float]] = {}

    def deadline(self) -> float:
        """The next moment at which silence means something."""
        moments = [self._next_at, *(until for _, _, until in self._suspicions.values())]
        if self._probing is not None and not self._probing.helpers_asked:
            moments.append(self._probing.ask_helpers_at)
        return min(moments)

    def hurry(self, node: NodeId) -> None:
        """Probe this member next: its stream broke."""
        if node not in self._urgent and node in self._roster.others():
            self._urgent.append(node)

    def answered(self, target: NodeId, probe: int) -> Relay | None:
        """An ack came. Returns the member to pass it on to, where we asked for somebody else."""
        if self._probing is not None and (self._probing.target, self._probing.probe) == (target, probe):
            self._probing = None
        return self._relays.pop(probe, None)

    def relay(self, requester: NodeId, probe: int, target: NodeId, now: float) -> Ask | None:
        """Probe `target` for another member."""
        self._relays = {number: relay for number, relay in self._relays.items() if relay.until > now}
        if len(self._relays) >= RELAYS_MAX:
            return None
        number = self._number()
        self._relays[number] = Relay(requester, probe, target, now + self._config.probe_interval_s)
        return Ask(target, number)

    def watch(self, node: NodeId, now: float) -> None:
        """Start, keep or end the clock of a suspicion, after a member's standing may have changed."""
        member = self._roster.get(node)
        if member is None or member.standing is not Standing.SUSPECT:
            self._suspicions.pop(node, None)
            return
        claim = member.claim
        known = self._suspicions.get(node)
        if known is None or known[:2] != (claim.boot, claim.counter):
            self._suspicions[node] = (claim.boot, claim.counter, now + self.suspicion_s())

    def suspicion_s(self) -> float:
        """How long a suspect has to refute."""
        members = len(self._roster.others()) + 1
        return self._config.suspicion_factor * max(1.0, math.log10(members)) * self._config.probe_interval_s

    def tick(self, now: float) -> list[Step]:
        """Everything that is due."""
        steps: list[Step] = [Verdict(node, Standing.DOWN) for node in self._lapsed(now)]
        probing = self._probing
        if probing is not None and not probing.helpers_asked and now >= probing.ask_helpers_at:
            probing.helpers_asked = True
            steps.append(AskHelpers(probing.target, probing.probe, self._helpers(probing.target)))
        if now >= self._next_at:
            steps += self._next_period(now)
        return steps

    def _lapsed(self, now: float) -> list[NodeId]:
        lapsed = [node for node, (_, _, until) in self._suspicions.items() if now >= until]
        for node in lapsed:
            del self._suspicions[node]
        return lapsed

    def _next_period(self, now: float) -> list[Step]:
        steps: list[Step] = []
        if self._probing is not None:
            steps.append(Verdict(self._probing.target, Standing.SUSPECT))
        self._probing = None
        self._next_at = now + self._config.probe_interval_s
        target = self._next_target()
        if target is not None:
            self._probing = Probing(target, self._number(), now + self._config.probe_timeout_s)
            steps.append(Ask(target, self._probing.probe))
        return steps

    def _next_target(self) -> NodeId | None:
        present = self._roster.others()
        while self._urgent:
            node = self._urgent.pop(0)
            if node in present:
                return node
        here = set(present)
        while self._round:
            node = self._round.pop()
            if node in here:
                return node
        self._round = list(present)
        self._rng.shuffle(self._round)
        return self._round.pop() if self._round else None

    def _helpers(self, target: NodeId) -> tuple[NodeId, ...]:
        others = [node for node in self._roster.others() if node != target]
        return tuple(self._rng.sample(others, min(self._config.indirect_probes, len(others))))

    def _number(self) -> int:
        self._probe = (self._probe + 1) % 2**32
        return self._probe

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert self._roster.me not in self._round
        assert self._probing is None or self._probing.target != self._roster.me
        assert len(self._relays) <= RELAYS_MAX
