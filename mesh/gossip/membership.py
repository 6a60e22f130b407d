"""Membership: probes, news and whole rosters, so that every member soon knows every other (SWIM, DESIGN §7).

Invariant: whoever speaks of a claim that we hold down is told so and can refute; of rosters whose digests differ is exchanged
what differs.
"""

from collections.abc import Callable
from random import Random

import msgspec

from mesh.config import GossipConfig
from mesh.crdt.keys import BOOT
from mesh.crdt.replica import Table, Write
from mesh.effects import Dial, Emit, GossipEffect, Send, StoreLazily, Stream
from mesh.errors import MalformedMessage
from mesh.events import Connected, DialFailed, Disconnected, Lapse, Leave, Received, Tick
from mesh.gossip.comparing import BULK, Comparing
from mesh.gossip.gate import Barred
from mesh.gossip.news import NewsQueue
from mesh.gossip.planes import DATAGRAMS, STREAMS, Planes, answer_to
from mesh.gossip.posting import Forgotten
from mesh.gossip.prober import Ask, AskHelpers, NoAnswer, OnlyByStream, Prober, Repeat, Step, Verdict
from mesh.gossip.roster import Heard, Roster
from mesh.gossip.steadiness import Change
from mesh.ids import Address, Boot, NodeId
from mesh.messages import (
    Accusation,
    Ack,
    Digests,
    Gossip,
    Knock,
    Message,
    Nack,
    Newsflash,
    Open,
    Ping,
    PingRequest,
    RosterMarks,
    RosterPage,
    RosterSums,
    SignedClaim,
    Standing,
)


def boot_write(boot: Boot) -> Write:
    """The write that keeps this node's newest boot."""
    return Write(Table.META, BOOT, msgspec.msgpack.encode(boot))


MembershipEvent = Received | Connected | Disconnected | DialFailed | Forgotten | Barred | Leave | Lapse | Tick


class Membership:
    """Finds out who is here and tells the others."""

    __slots__ = ("_comparing", "_config", "_digests", "_gossip_at", "_news", "_rng", "planes", "prober", "roster")

    def __init__(
        self, roster: Roster, config: GossipConfig, rng: Random, digests: Callable[[], Digests], now: float
    ) -> None:
        self.roster = roster
        self._config, self._rng, self._digests = config, rng, digests
        self.prober = Prober(roster, config, Random(rng.getrandbits(64)), now)
        self.planes = Planes(roster)
        self._news = NewsQueue(config.retransmit_factor)
        self._gossip_at = now
        self._comparing = Comparing(roster, config, Random(rng.getrandbits(64)), now)

    def deadline(self) -> float:
        """When something is due."""
        prober = self.prober
        moment = min(prober.deadline(), self._comparing.deadline(), prober.steadiness.deadline())
        return min(moment, self._gossip_at) if self._has_news() else moment

    def handle(self, event: MembershipEvent, now: float) -> list[GossipEffect]:
        """React to one event."""
        match event:
            case Received():
                return self._on_message(event, now)
            case Tick():
                return self._on_tick(now)
            case Connected(node, at, dialled):
                told = self.planes.worked(node, STREAMS)
                return [*told, *self._comparing.open(node, at)] if dialled else [*told]
            case Disconnected(node):
                return self._on_disconnected(node, now)
            case DialFailed(at, refused=True):
                return self._on_refused(at, now)
            case DialFailed(at):
                return self._on_no_stream(at, now)
            case Barred(node):
                return self._follow(self.roster.bar(node, now), now)
            case Forgotten(boot):
                return self._follow(self.roster.outrank(boot, now), now)
            case Leave():
                return self._on_leave(now)
            case Lapse():
                return [effect for step in self.prober.lapse(now) for effect in self._do(step, now)]

    def _on_message(self, received: Received, now: float) -> list[GossipEffect]:
        match received.message:
            case Ping():
                return self._on_ping(received, received.message, now)
            case Ack():
                return self._on_ack(received, received.message, now)
            case PingRequest():
                return self._on_ping_request(received, received.message, now)
            case Knock(probe):
                return [Stream(received.sender, received.at, Open(probe))]
            case Open(probe):
                self.prober.opened(received.sender, probe, now)
                return [*self.planes.worked(received.sender, STREAMS)]
            case Nack(probe, target):
                self.prober.nacked(target, probe, now)
                return []
            case Gossip(news):
                return self._hear_all(news, received, now)
            case RosterSums():
                return self._comparing.on_sums(received, received.message)
            case RosterMarks():
                return self._comparing.on_marks(received, received.message)
            case RosterPage():
                return self._on_page(received, received.message, now)
            case _:
                raise AssertionError(f"{type(received.message).__name__} is not membership's to answer")

    def _on_ping(self, received: Received, ping: Ping, now: float) -> list[GossipEffect]:
        self.prober.earshot.asked(received.sender, self.roster.size, now)
        heard = self._hear_all(ping.news, received, now) if ping.news else []
        digests = self._digests()
        told = digests if digests.summary != ping.summary else None
        ack = Ack(ping.probe, self.roster.me, told, self._news_for(received.sender))
        return [*heard, Send(received.sender, received.at, ack)]

    def _on_ack(self, received: Received, ack: Ack, now: float) -> list[GossipEffect]:
        effects = self._hear_all(ack.news, received, now) if ack.news else []
        if ack.target == received.sender:
            self.prober.earshot.answered(ack.target)
            effects += self.planes.worked(ack.target, DATAGRAMS)
        asked = self.prober.answered(ack.target, ack.probe, now)
        if asked is not None and (at := self.roster.address(asked[0])) is not None:
            effects.append(Send(asked[0], at, Ack(asked[1], ack.target, None)))
        if ack.digests is not None:
            effects += self._compare(received, ack.digests, now)
        return effects

    def _on_ping_request(self, received: Received, request: PingRequest, now: float) -> list[GossipEffect]:
        effects = self._hear_all(request.news, received, now)
        ask = self.prober.relay(received.sender, request.probe, request.target, now)
        if ask is not None:
            effects.append(Send(request.target, request.at, Ping(ask.probe, self._digests().summary)))
        return effects

    def _on_page(self, received: Received, page: RosterPage, now: float) -> list[GossipEffect]:
        known = len(self._news)
        effects = self._hear_all((*page.claims, *page.accusations), received, now)
        brought = sum(isinstance(effect, StoreLazily) for effect in effects)
        if brought > BULK:
            self._news.shorten(known, self.roster.me)
        if self.roster.own.claim.standing is Standing.LEFT:  # Who comes so late was nobody to say farewell to.
            effects.append(answer_to(received, self._farewell()))
        return [*effects, *self._comparing.on_page(received, page, brought, now)]

    def _farewell(self) -> Gossip:
        return Gossip((self.roster.own.signed,))

    def _compare(self, received: Received, digests: Digests, now: float) -> list[GossipEffect]:
        if digests.roster == self.roster.digest:
            return []
        return self._comparing.begin(received.sender, received.at, now)

    def _hear_all(self, news: tuple[Newsflash, ...], received: Received, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for piece in news:
            try:
                heard = self.roster.hear(piece, now)
            except MalformedMessage as error:  # What came before it holds, and the probe it rode on is answered.
                return [*effects, Emit("peer.malformed", {"node": received.sender.hex(), "reason": str(error)})]
            effects += self._follow(heard, now)
            if self._config.feedback and not heard.spread:
                self._news.heard(piece, self.roster.size)
            if heard.answer and heard.answers in (None, received.sender):
                effects.append(answer_to(received, Gossip(heard.answer)))
        return effects

    def _follow(self, heard: Heard, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = [*heard.events]
        for node, news in heard.spread:
            self._news.put(node, news)
            self.prober.watch(node, now)
            if not self.roster.takes_part(node):
                self.planes.forget(node)
                self.prober.earshot.forget(node)
            if isinstance(news, SignedClaim):
                effects += self._judge_steadiness(node, heard, now)
                effects += self._remember(node)
            else:
                effects += self._on_accused(news, bool(heard.events), now)
        if any(event.name == "member.refuted" for event in heard.events):
            self.prober.health.worse()
        if heard.new_boot is not None:
            effects.append(StoreLazily((boot_write(heard.new_boot),)))
        stranger = self.roster.lives.displaced_by
        if stranger is not None and heard.new_boot is not None:  # It is told who stands back for it.
            effects.append(Send(self.roster.me, stranger.address, Gossip((self.roster.own.signed,))))
        return effects

    def _judge_steadiness(self, node: NodeId, heard: Heard, now: float) -> list[GossipEffect]:
        """A member has said something new of itself: a refutation, or that it begins or ends a life."""
        steadiness = self.prober.steadiness
        if heard.refuted is None:
            return self._show(steadiness.forget(node), now)
        was = "held down" if heard.refuted.was is Standing.DOWN else "suspected"
        self.prober.evidence.note(now, node, f"says itself that it lives, and was {was}")
        return self._show(steadiness.refuted(node, heard.refuted, self.roster.size, now), now)

    def _show(self, changes: list[Change], now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for change in changes:
            said = f"unsteady for {change.held_s:g} s at least: it was held down and came back, or is suspected again and again"
            self.prober.evidence.note(now, change.node, said if change.unsteady else "steady again")
            effects += self.planes.hold(change.node, change.unsteady)
        return effects

    def _on_accused(self, accusation: Accusation, new: bool, now: float) -> list[GossipEffect]:
        """Somebody else, or one more, is without an answer of a member."""
        if accusation.accuser != self.roster.me or not new:
            said = "is held down" if accusation.standing is Standing.DOWN else "is suspected"
            voices = tuple(dict.fromkeys((accusation.accuser, *accusation.voices)))
            self.prober.evidence.note(now, accusation.node, said, voices)
        if not new or accusation.standing is not Standing.SUSPECT or accusation.accuser == self.roster.me:
            return []
        return [effect for step in self.prober.weigh_in(accusation.node, now) for effect in self._do(step, now)]

    def _on_disconnected(self, node: NodeId, now: float) -> list[GossipEffect]:
        """A stream that ends may be a process that is gone: a probe and a dial tell."""
        if not self._config.heed_streams:
            self.prober.hurry(node)
            return []
        at = self.roster.address(node)
        if at is None or not self.roster.takes_part(node):
            return []
        steps = self.prober.visit(node, now)
        return [Dial(at), *(effect for step in steps for effect in self._do(step, now))]

    def _on_no_stream(self, at: Address, now: float) -> list[GossipEffect]:
        """Nobody opens a stream where a member listens. While it answers probes, it is degraded: it can't be synced with."""
        effects: list[GossipEffect] = []
        for node in self.roster.at(at):
            member = self.roster.get(node)
            if member is not None and member.standing is Standing.ALIVE:
                self.prober.evidence.note(now, node, "no stream could be opened to it")
                effects += self.planes.failed(node, STREAMS)
        return effects

    def _on_refused(self, at: Address, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for node in self.roster.at(at):
            for step in self.prober.refused(node, now):
                effects += self._do(step, now)
        return effects

    def _remember(self, node: NodeId) -> list[GossipEffect]:
        """Keep a member's newest claim in the peer book, whatever became of the member."""
        member = self.roster.get(node)
        if member is None or node == self.roster.me:
            return []
        return [StoreLazily((Write(Table.BOOK, node, msgspec.msgpack.encode(member.signed)),))]

    def _on_leave(self, now: float) -> list[GossipEffect]:
        claim = self.roster.own.claim
        parting = msgspec.structs.replace(claim, counter=claim.counter + 1, standing=Standing.LEFT)
        self.roster.restate(parting, now)
        return self._to_all(self._farewell())

    def _to_all(self, message: Message) -> list[GossipEffect]:
        found = [(node, self.roster.address(node)) for node in self.roster.others()]
        return [Send(node, at, message) for node, at in found if at is not None]

    def _on_tick(self, now: float) -> list[GossipEffect]:
        effects = [*self._comparing.tick(now), *self._show(self.prober.steadiness.tick(now), now)]
        for step in self.prober.tick(now):
            effects += self._do(step, now)
        if now >= self._gossip_at and self._has_news():
            self._gossip_at = now + self._config.gossip_interval_s
            effects += self._gossip()
        return effects

    def _do(self, step: Step, now: float) -> list[GossipEffect]:
        if isinstance(step, NoAnswer):
            to = self.roster.address(step.requester)
            return [Send(step.requester, to, Nack(step.probe, step.target))] if to is not None else []
        at = self.roster.address(step.target)
        assert at is not None, f"{step.target.hex()} was probed and is not in the roster"
        match step:
            case Ask(target, probe):
                again = [Stream(target, at, Knock(probe))] if self.planes.failing(target) == STREAMS else []
                return [Send(target, at, Ping(probe, self._digests().summary, self._news_for(target))), *again]
            case AskHelpers(target, probe, helpers):
                found = [(helper, self.roster.address(helper)) for helper in helpers]
                knock = [Stream(target, at, Knock(probe))] if self._config.stream_probe else []
                asked = [Send(h, where, PingRequest(probe, target, at)) for h, where in found if where is not None]
                return [*knock, *asked]
            case OnlyByStream(target):
                return [*self.planes.failed(target, DATAGRAMS)]
            case Repeat(target):
                member = self.roster.get(target)
                if member is not None and member.accusation is not None:
                    self._news.put(target, member.accusation)
                return []
            case Verdict(target, standing, voice):
                return self._follow(self.roster.accuse(target, standing, now, voice), now)

    def _has_news(self) -> bool:
        size = self.roster.size
        return size > 1 and (self._news.presses(size) if self._config.feedback else bool(self._news))

    def _news_for(self, node: NodeId) -> tuple[Newsflash, ...]:
        """What a probe or its answer carries along: the accusation of the other side first, so that it can refute."""
        news = self._news.take(self.roster.size) if self._news else ()
        member = self.roster.get(node)
        accusation = member.accusation if member is not None and self._config.buddy else None
        return (accusation, *news) if accusation is not None else news

    def _gossip(self) -> list[GossipEffect]:
        others = self.roster.others()
        chosen = self._rng.sample(others, min(self._config.gossip_fanout, len(others)))
        effects: list[GossipEffect] = []
        for node in chosen:
            at, news = self.roster.address(node), self._news.take(len(others) + 1)
            if at is not None and news:
                effects.append(Send(node, at, Gossip(news)))
        return effects

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        self.roster.check()
        self.prober.check()
