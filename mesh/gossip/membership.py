"""Membership: probes, news and whole rosters, so that every member soon knows every other (SWIM, DESIGN §7).

Invariant: whoever speaks of a claim that we hold down is told so and can refute; rosters whose digests differ are exchanged whole.
"""

import itertools
from collections.abc import Callable
from random import Random

import msgspec

from mesh.config import GossipConfig
from mesh.crdt.keys import BOOT
from mesh.crdt.replica import Table, Write
from mesh.effects import Emit, GossipEffect, Send, StoreLazily, Stream
from mesh.errors import MalformedMessage
from mesh.events import Connected, Disconnected, Leave, Received, Tick
from mesh.gossip.news import NewsQueue
from mesh.gossip.prober import Ask, AskHelpers, Prober, Step, Verdict
from mesh.gossip.roster import Heard, Roster
from mesh.ids import Address, Boot, NodeId
from mesh.messages import (
    Accusation,
    Ack,
    Digests,
    Gossip,
    Message,
    Newsflash,
    Ping,
    PingRequest,
    RosterPage,
    SignedClaim,
    Standing,
)

PAGE_BYTES = 1024 * 1024  # A quarter of the largest frame; accusations, of 60 bytes, fit beside it.


def boot_write(boot: Boot) -> Write:
    """The write that keeps this node's newest boot."""
    return Write(Table.META, BOOT, msgspec.msgpack.encode(boot))


MembershipEvent = Received | Connected | Disconnected | Leave | Tick


class Membership:
    """Finds out who is here and tells the others."""

    def __init__(
        self, roster: Roster, config: GossipConfig, rng: Random, digests: Callable[[], Digests], now: float
    ) -> None:
        self.roster = roster
        self._config, self._rng, self._digests = config, rng, digests
        self._prober = Prober(roster, config, Random(rng.getrandbits(64)), now)
        self._news = NewsQueue(config.retransmit_factor)
        self._gossip_at = now
        self._sync_at = now

    def deadline(self) -> float:
        """When something is due."""
        return min(self._prober.deadline(), self._gossip_at if self._has_news() else float("inf"))

    def handle(self, event: MembershipEvent, now: float) -> list[GossipEffect]:
        """React to one event."""
        match event:
            case Received():
                return self._on_message(event, now)
            case Connected(node, at, dialled):
                return self._pages(node, at, reply=True) if dialled else []
            case Disconnected(node):
                self._prober.hurry(node)
                return []
            case Leave():
                return self._on_leave(now)
            case Tick():
                return self._on_tick(now)

    def _on_message(self, received: Received, now: float) -> list[GossipEffect]:
        match received.message:
            case Ping():
                return self._on_ping(received, received.message, now)
            case Ack():
                return self._on_ack(received, received.message, now)
            case PingRequest():
                return self._on_ping_request(received, received.message, now)
            case Gossip(news):
                return self._hear_all(news, received, now)
            case RosterPage():
                return self._on_page(received, received.message, now)
            case _:
                raise AssertionError(f"{type(received.message).__name__} is not membership's to answer")

    def _on_ping(self, received: Received, ping: Ping, now: float) -> list[GossipEffect]:
        heard = self._hear_all(ping.news, received, now)
        ack = Ack(ping.probe, self.roster.me, self._digests(), self._news_for(received.sender))
        return [*heard, Send(received.sender, received.at, ack), *self._compare(received, ping.digests, now)]

    def _on_ack(self, received: Received, ack: Ack, now: float) -> list[GossipEffect]:
        effects = self._hear_all(ack.news, received, now)
        relay = self._prober.answered(ack.target, ack.probe)
        if relay is not None and (at := self.roster.address(relay.requester)) is not None:
            effects.append(Send(relay.requester, at, Ack(relay.probe, relay.target, None)))
        if ack.digests is not None:
            effects += self._compare(received, ack.digests, now)
        return effects

    def _on_ping_request(self, received: Received, request: PingRequest, now: float) -> list[GossipEffect]:
        effects = self._hear_all(request.news, received, now)
        ask = self._prober.relay(received.sender, request.probe, request.target, now)
        if ask is not None:
            effects.append(Send(request.target, request.at, Ping(ask.probe, self._digests())))
        return effects

    def _on_page(self, received: Received, page: RosterPage, now: float) -> list[GossipEffect]:
        effects = self._hear_all((*page.claims, *page.accusations), received, now)
        if page.reply:
            effects += self._pages(received.sender, received.at, reply=False)
        return effects

    def _compare(self, received: Received, digests: Digests, now: float) -> list[GossipEffect]:
        """Exchange whole rosters with a peer whose roster differs, at most once per interval."""
        if digests.roster == self.roster.digest or now < self._sync_at:
            return []
        self._sync_at = now + self._config.sync_interval_s * (0.5 + self._rng.random())
        return self._pages(received.sender, received.at, reply=True)

    def _pages(self, node: NodeId, at: Address, reply: bool) -> list[GossipEffect]:
        """The whole roster, in pages that fit a frame; only the last one asks for an answer."""
        claims, accusations = self.roster.page()
        cuts = _cuts(claims)
        pages = [RosterPage(claims[start:end], (), reply=False) for start, end in itertools.pairwise(cuts[:-1])]
        pages.append(RosterPage(claims[cuts[-2] :], accusations, reply))
        return [Stream(node, at, page) for page in pages]

    def _hear_all(self, news: tuple[Newsflash, ...], received: Received, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for piece in news:
            try:
                heard = self.roster.hear(piece, now)
            except MalformedMessage as error:  # What came before it holds, and the probe it rode on is answered.
                return [*effects, Emit("peer.malformed", {"node": received.sender.hex(), "reason": str(error)})]
            effects += self._follow(heard, now)
            if heard.answer is not None and self._concerns(piece, heard.answer, received.sender):
                effects.append(Send(received.sender, received.at, Gossip((heard.answer,))))
        return effects

    @staticmethod
    def _concerns(piece: Newsflash, answer: Newsflash, sender: NodeId) -> bool:
        """Answer a stale claim to the claimant, and a stale accusation to whoever spreads it."""
        return isinstance(answer, SignedClaim) or answer.node == sender or isinstance(piece, Accusation)

    def _follow(self, heard: Heard, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = [*heard.events]
        for node, news in heard.spread:
            self._news.put(node, news)
            self._prober.watch(node, now)
            effects += self._remember(node)
        if heard.new_boot is not None:
            effects.append(StoreLazily((boot_write(heard.new_boot),)))
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
        farewell = Gossip((self.roster.own.signed,))
        return self._to_all(farewell)

    def _to_all(self, message: Message) -> list[GossipEffect]:
        found = [(node, self.roster.address(node)) for node in self.roster.others()]
        return [Send(node, at, message) for node, at in found if at is not None]

    def _on_tick(self, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for step in self._prober.tick(now):
            effects += self._do(step, now)
        if now >= self._gossip_at and self._has_news():
            self._gossip_at = now + self._config.gossip_interval_s
            effects += self._gossip()
        return effects

    def _do(self, step: Step, now: float) -> list[GossipEffect]:
        at = self.roster.address(step.target)
        assert at is not None, f"{step.target.hex()} was probed and is not in the roster"
        match step:
            case Ask(target, probe):
                return [Send(target, at, Ping(probe, self._digests(), self._news_for(target)))]
            case AskHelpers(target, probe, helpers):
                found = [(helper, self.roster.address(helper)) for helper in helpers]
                return [Send(h, where, PingRequest(probe, target, at)) for h, where in found if where is not None]
            case Verdict(target, standing):
                return self._follow(self.roster.accuse(target, standing, now), now)

    def _has_news(self) -> bool:
        return len(self._news) > 0 and len(self.roster.others()) > 0

    def _news_for(self, node: NodeId) -> tuple[Newsflash, ...]:
        """What a probe or its answer carries along: the accusation of the other side first, so that it can refute."""
        member = self.roster.get(node)
        first = (member.accusation,) if member is not None and member.accusation is not None else ()
        return (*first, *self._news.take(len(self.roster.others()) + 1))

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
        self._prober.check()


def _cuts(claims: tuple[SignedClaim, ...]) -> list[int]:
    """Where pages of claims begin and end."""
    cuts, size = [0], 0
    for index, claim in enumerate(claims):
        size += len(claim.body) + len(claim.signature)
        if size > PAGE_BYTES and index:
            cuts.append(index)
            size = 0
    return [*cuts, len(claims)]
