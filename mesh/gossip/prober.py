"""The prober notices members that stop answering (SWIM §3.1, §4.3; Lifeguard).

Invariant: one member is probed at a time in a round by lot, so that each is probed once per round, and beside it at most
`ERRANDS_MAX` suspects at once; every moment it waits for is in `deadline()`; no verdict is found while this process did not run or
heard nobody.
"""

from random import Random

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.gossip.earshot import MISSES, Earshot
from mesh.gossip.evidence import Evidence
from mesh.gossip.health import LocalHealth
from mesh.gossip.relays import Relays
from mesh.gossip.roster import Roster
from mesh.gossip.rounds import Round
from mesh.gossip.roundtrips import RoundTrips
from mesh.gossip.steadiness import Steadiness
from mesh.gossip.suspicions import Scale, Suspicion, Suspicions
from mesh.ids import NodeId
from mesh.messages import Standing

ERRANDS_MAX = 16  # Suspects that are probed at once on account of what others, or streams, say.
ISOLATED_PERIODS = 60  # So long a member that hears nobody may take it that it is itself cut off.


class Probing(Struct, gc=False):
    """A probe that is outstanding."""

    target: NodeId
    probe: int
    asked_at: float
    patience_s: float
    ends_at: float
    helpers_asked: int = 0
    nacks: int = 0
    opened: bool = False

    @property
    def due(self) -> float:
        """When helpers are asked, if nobody has answered."""
        return min(self.ends_at, self.asked_at + self.patience_s)


class Ask(Struct, frozen=True, gc=False):
    """Ping `target` as probe number `probe`."""

    target: NodeId
    probe: int


class AskHelpers(Struct, frozen=True):
    """Have `helpers` ping `target`, as probe number `probe`."""

    target: NodeId
    probe: int
    helpers: tuple[NodeId, ...]


class Verdict(Struct, frozen=True):
    """`target` stands as `standing` from now on. `voice`: this member's health is good enough for its word to count."""

    target: NodeId
    standing: Standing
    voice: bool = True


class NoAnswer(Struct, frozen=True):
    """Tell `requester` that `target` has not answered its probe yet."""

    target: NodeId
    probe: int
    requester: NodeId


class OnlyByStream(Struct, frozen=True):
    """`target` answers over a stream, and neither to a datagram of ours nor of any helper."""

    target: NodeId


class Repeat(Struct, frozen=True):
    """Say again that `target` is suspected: it may be that nobody has heard of it."""

    target: NodeId


Step = Ask | AskHelpers | Verdict | NoAnswer | OnlyByStream | Repeat


class Prober:
    """Whom to ask next, and what silence means."""

    __slots__ = (
        "_config",
        "_errands",
        "_next_at",
        "_probe",
        "_probing",
        "_punctual_at",
        "_relays",
        "_rng",
        "_roster",
        "_round",
        "_suspicions",
        "_urgent",
        "earshot",
        "evidence",
        "health",
        "roundtrips",
        "steadiness",
    )

    def __init__(self, roster: Roster, config: GossipConfig, rng: Random, now: float) -> None:
        self._roster, self._config, self._rng = roster, config, rng
        self.health = LocalHealth(config.health_max)
        self.roundtrips = RoundTrips(config)
        self.evidence = Evidence()
        self.earshot = Earshot(config)
        self.steadiness = Steadiness(config, now)
        self._suspicions = Suspicions(config)
        self._relays = Relays(config)
        self._round = Round(0, rng)
        self._urgent: list[NodeId] = []
        self._probing: Probing | None = None
        self._errands: dict[NodeId, Probing] = {}
        self._probe = rng.getrandbits(32)
        self._next_at = now + rng.random() * config.probe_interval_s  # Nodes started together do not probe together.
        self._punctual_at = now

    def deadline(self) -> float:
        """The next moment at which silence means something."""
        moment = min(self._next_at, self._suspicions.deadline(), self._relays.deadline(), self.earshot.deadline())
        probing = self._probing
        if probing is not None and not probing.helpers_asked:
            moment = min(moment, probing.due)
        for errand in self._errands.values():
            moment = min(moment, errand.ends_at)
        return moment

    @property
    def lapses_at(self) -> float:
        """When the time of a suspicion is over next."""
        return self._suspicions.deadline()

    def hurry(self, node: NodeId) -> None:
        """Probe this member next: its stream broke."""
        if node not in self._urgent and self._roster.takes_part(node):
            self._urgent.append(node)

    def answered(self, target: NodeId, probe: int, now: float) -> tuple[NodeId, int] | None:
        """An ack came. Returns the member and the probe to pass it on to, where we asked for somebody else."""
        probing = self._probing
        if probing is not None and probing.probe == probe and probing.target == target:
            self._probing = None
            self.health.better()
            self._time(probing, now)
        errand = self._errands.get(target)
        if errand is not None and errand.probe == probe:
            del self._errands[target]
            self._time(errand, now)
            self.evidence.note(now, target, "answered our own probe of a suspect")
        return self._relays.answered(target, probe)

    def opened(self, node: NodeId, probe: int, now: float) -> None:
        """The member answered over a stream. To the end of the period its ack may still come by datagram."""
        probing = self._probing
        if probing is not None and (probing.target, probing.probe) == (node, probe):
            probing.opened = True
            self.evidence.note(now, node, "answered over a stream, and not by datagram so far")

    def _time(self, probing: Probing, now: float) -> None:
        took_s = now - probing.asked_at
        if took_s <= self._config.probe_timeout_s:
            self._punctual_at = now
        if not probing.helpers_asked:
            self.roundtrips.measured(probing.target, took_s)

    def nacked(self, target: NodeId, probe: int, now: float) -> None:
        """A helper has had no answer, and says so: it is not this member that is cut off."""
        probing = self._probing
        if probing is not None and (probing.target, probing.probe) == (target, probe):
            probing.nacks = min(probing.nacks + 1, probing.helpers_asked)
            self.evidence.note(now, target, "a helper had no answer either")

    def relay(self, requester: NodeId, probe: int, target: NodeId, now: float) -> Ask | None:
        """Probe `target` for another member."""
        number = self._number()
        return Ask(target, number) if self._relays.take(number, requester, probe, target, now) else None

    def watch(self, node: NodeId, now: float) -> None:
        """Start, shorten, keep or end the clock of a suspicion, after a member's standing may have changed."""
        member = self._roster.get(node)
        patience_s = self.steadiness.patience_s(member, now) if member is not None else 0.0
        self._suspicions.watch(node, member, Scale(self._roster.size, patience_s), now)
        if node not in self._suspicions:
            self._errands.pop(node, None)

    def weigh_in(self, node: NodeId, now: float) -> list[Step]:
        """Others began to suspect this member. A few of all who hear of it, drawn by lot, probe it at once."""
        others = len(self._roster.others())
        lot = self._config.confirm_fanout / max(1, others - 1)
        return self.visit(node, now) if lot > 0 and self._rng.random() < lot else []

    def visit(self, node: NodeId, now: float) -> list[Step]:
        """Probe this member at once, beside the round."""
        if node in self._errands or len(self._errands) >= ERRANDS_MAX or not self._roster.takes_part(node):
            return []
        ends_at = now + self._config.probe_timeout_s * self.health.factor
        self._errands[node] = Probing(node, self._number(), now, ends_at - now, ends_at)
        return [Ask(node, self._errands[node].probe)]

    def refused(self, node: NodeId, now: float) -> list[Step]:
        """A dial was refused where this member listened: its machine answers, and its process is gone."""
        if not self._config.heed_streams or not self._roster.takes_part(node):
            return []
        self.evidence.note(now, node, "its machine refused a stream: the process is gone")
        return [Verdict(node, Standing.SUSPECT)]

    def tick(self, now: float) -> list[Step]:
        """Everything that is due."""
        self._notice_stall(now)
        steps: list[Step] = [*self.lapse(now), *self._end_errands(now)]
        for relay in self._relays.silent(now):
            steps.append(NoAnswer(relay.target, relay.probe, relay.requester))
        probing = self._probing
        if probing is not None and not probing.helpers_asked and probing.due <= now < probing.ends_at:
            helpers = self._helpers(probing.target)
            probing.helpers_asked = max(1, len(helpers))
            self.evidence.note(
                now, probing.target, f"no answer within {probing.patience_s:.3f} s; helpers asked", helpers
            )
            self._miss(probing.target, now)
            steps.append(AskHelpers(probing.target, probing.probe, helpers))
        if now >= self.earshot.deadline():
            steps += self._ask_again(now)
        if now >= self._next_at:
            steps += self._next_period(now)
        return steps

    def _miss(self, node: NodeId, now: float) -> None:
        if self.earshot.missed(node, self._roster.size, now):
            self._note_silence(node, now)

    def _ask_again(self, now: float) -> list[Step]:
        """Probe members that did not answer directly, beside the round: for a picture of the paths, not for a verdict."""
        for node in self.earshot.unanswered(self._roster.size, now):
            self._note_silence(node, now)
        steps = list[Step]()
        for node in self.earshot.ask_again(self._config.probe_timeout_s * self.health.factor, now):
            if self._roster.takes_part(node):
                steps.append(Ask(node, self._number()))
            else:
                self.earshot.forget(node)
        return steps

    def _note_silence(self, node: NodeId, now: float) -> None:
        self.evidence.note(now, node, f"left our last {MISSES} probes without an answer of its own")

    def _notice_stall(self, now: float) -> None:
        """A tick that comes late: nothing was heard meanwhile because nothing ran here."""
        late_s = now - self.deadline()
        if not self._config.heed_stalls or late_s < self._config.probe_timeout_s / 2:
            return
        self.health.worse()
        self._suspicions.postpone(late_s)
        self._errands.clear()
        self.earshot.postpone(late_s)
        if self._probing is not None:
            self.evidence.note(
                now, self._probing.target, f"its probe does not count: this process stood still {late_s:.3f} s"
            )
        self._probing = None

    def lapse(self, now: float) -> list[Step]:
        """Of all that may be due only the suspicions whose time is over."""
        steps: list[Step] = []
        for node, clock in self._suspicions.due(now):
            if self._cut_off(now):
                self._suspicions.postpone(self._config.probe_interval_s / 4, node)
                continue
            if self._is_doubtful(clock):
                self._suspicions.postpone(self._config.probe_interval_s, node)
                steps += [Repeat(node), *self.visit(node, now)]
                continue
            self._suspicions.end(node)
            said = (
                f"suspected for {now - clock.since:.3f} s with {clock.confirmations} of {clock.expected} confirmations"
            )
            self.evidence.note(now, node, said)
            steps.append(Verdict(node, Standing.DOWN))
        return steps

    def _cut_off(self, now: float) -> bool:
        """Whether it may be this member that is out of reach: of those held well none has answered it in time of late."""
        config = self._config
        if not config.heed_stalls or now - self._punctual_at <= 2 * config.probe_interval_s:
            return False
        asked = any(node not in self._suspicions for node in self._roster.others())
        return asked and now - self._punctual_at < ISOLATED_PERIODS * config.probe_interval_s

    def _is_doubtful(self, clock: Suspicion) -> bool:
        """Whether nobody confirmed it and this member is in poor health: then it is probably not heard, and does not hear."""
        if not self._config.heed_stalls or not clock.expected or clock.confirmations or self._is_voice():
            return False
        return clock.postponed_s < ISOLATED_PERIODS * self._config.probe_interval_s

    def _end_errands(self, now: float) -> list[Step]:
        if not self._errands:
            return []
        over = [node for node, errand in self._errands.items() if now >= errand.ends_at]
        for node in over:
            del self._errands[node]
            self.evidence.note(now, node, "did not answer our own probe")
            self._miss(node, now)
        return [Verdict(node, Standing.SUSPECT, self._is_voice()) for node in over if self._roster.takes_part(node)]

    def _is_voice(self) -> bool:
        return self.health.score <= self._config.voice_health_max

    def _next_period(self, now: float) -> list[Step]:
        steps: list[Step] = []
        probing = self._probing
        if probing is not None and probing.opened:
            steps.append(OnlyByStream(probing.target))
        elif probing is not None:
            voice = self._is_voice()
            missed = probing.helpers_asked - probing.nacks if self._config.nacks and probing.helpers_asked else 1
            self.health.worse(missed)
            self.evidence.note(
                now, probing.target, f"no answer, and {probing.nacks} of {probing.helpers_asked} helpers said so"
            )
            if self._roster.takes_part(probing.target):
                steps.append(Verdict(probing.target, Standing.SUSPECT, voice))
        self._probing = None
        self._next_at = now + self._config.probe_interval_s * self.health.factor
        target = self._next_target()
        if target is not None:
            patience_s = self.roundtrips.timeout_s(target) * self.health.factor
            self._probing = Probing(target, self._number(), now, patience_s, self._next_at)
            steps.append(Ask(target, self._probing.probe))
        return steps

    def _next_target(self) -> NodeId | None:
        while self._urgent:
            node = self._urgent.pop(0)
            if self._roster.takes_part(node):
                return node
        found = self._next_of_round()
        if found is None:
            self._round = Round(len(self._roster), self._rng)
            found = self._next_of_round()
        return found

    def _next_of_round(self) -> NodeId | None:
        while (place := self._round.step()) is not None:
            node = self._roster.nth(place)
            if self._roster.takes_part(node):
                return node
        return None

    def _helpers(self, target: NodeId) -> tuple[NodeId, ...]:
        others = self._roster.others()
        drawn = self._rng.sample(others, min(self._config.indirect_probes + 1, len(others)))
        return tuple([node for node in drawn if node != target][: self._config.indirect_probes])

    def _number(self) -> int:
        self._probe = (self._probe + 1) % 2**32
        return self._probe

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert self._probing is None or self._probing.target != self._roster.me
        assert len(self._errands) <= ERRANDS_MAX
        assert 0 <= self.health.score <= self._config.health_max
        self._relays.check()
        self.steadiness.check()
        self.earshot.check()
