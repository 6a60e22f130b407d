"""Links: the few members with which this node shares news directly, agreed between the two (HyParView §4, DESIGN §8).

Invariant: at most `links_max` links, none with this node or with who does not take part for long. Some are near, so that news is
quick, the others drawn by lot, so that the mesh stays in one piece. A mesh of at most `links_max` others needs none: all are told.
"""

from math import inf
from random import Random

from mesh.config import GossipConfig
from mesh.effects import GossipEffect, Send
from mesh.events import Received, Tick
from mesh.gossip.roster import Roster
from mesh.gossip.roundtrips import RoundTrips
from mesh.gossip.sounder import Sounder
from mesh.gossip.table import Link, Table
from mesh.ids import NodeId
from mesh.messages import Accept, Drop, Echo, Message, Offer, Refuse, Sound, Standing, Want

PACE_S = 2.0  # How often links are looked after while something changes: a verdict on a member takes longer.
HASTE_S = 0.1  # While there are too few.
SEEKING_S = 8.0  # While nearer ones are looked for: so often it is seen whom the prober has met.
ANSWER_S = 1.5  # An offer without an answer is void: a few round trips around the world.
REFUSED_S = 10.0  # Who has links enough is not asked again so soon.
SUSPECT_S = 2.0  # A suspect of so long is no link: most refute within one.
NEARER = 0.7  # Of a round trip: what is hardly nearer is not worth a change,
NEARER_S = 0.001  # nor is what only noise makes nearer.
GROWN = 1.25  # A link drawn from far fewer members than there are now is drawn again: a healed cut is bridged.

LinksEvent = Received | Tick


class Offered:
    """An offer that waits for its answer."""

    __slots__ = ("eager", "near", "since")

    def __init__(self, near: bool, eager: bool, since: float) -> None:
        self.near, self.eager, self.since = near, eager, since


class Links:
    """Finds, keeps and replaces links. What they are used for is Spread's."""

    __slots__ = ("_at", "_config", "_looked_at", "_offers", "_refused", "_rng", "_roster", "_seen", "_sounder", "table")

    def __init__(self, roster: Roster, config: GossipConfig, roundtrips: RoundTrips, rng: Random, now: float) -> None:
        self._roster, self._config, self._rng = roster, config, rng
        self.table = Table(config.links_max)
        self._sounder = Sounder(roster, self.table, roundtrips, Random(rng.getrandbits(64)), now)
        self._offers: dict[NodeId, Offered] = {}
        self._refused: dict[NodeId, float] = {}
        self._at = now + rng.random() * HASTE_S
        self._looked_at, self._seen = now, roster.changes

    def deadline(self) -> float:
        """When links are looked after again: once all is as it shall be, when the roster changes or a link has been silent."""
        return self._at if self._seen == self._roster.changes else min(self._at, self._looked_at + PACE_S)

    @property
    def all_told(self) -> bool:
        """Whether the mesh is so small that it needs no links."""
        return len(self._roster.others()) <= self._config.links_max

    def handle(self, event: LinksEvent, now: float) -> list[GossipEffect]:
        """React to one event."""
        match event:
            case Received(sender, _, message):
                return self._on_message(sender, message, now)
            case Tick():
                return self._on_tick(now) if now >= self.deadline() else []

    def _on_message(self, sender: NodeId, message: Message, now: float) -> list[GossipEffect]:
        match message:
            case Sound():
                return self._on_sound(sender, message, now)
            case Echo():
                return self._on_echo(sender, message, now)
            case Offer():
                return self._on_offer(sender, message, now)
            case Accept():
                return self._on_accept(sender, message, now)
            case Refuse():
                self._offers.pop(sender, None)
                self._refused[sender] = now + REFUSED_S
                self._look_within(PACE_S, now)
                return []
            case Drop():
                return self._lose(sender, now)
            case _:
                raise AssertionError(f"{type(message).__name__} is not for links to answer")

    def _look_within(self, span_s: float, now: float) -> None:
        self._at = min(self._at, now + span_s)

    def _on_offer(self, sender: NodeId, offer: Offer, now: float) -> list[GossipEffect]:
        if sender not in self._roster.others():
            return self._send(sender, Refuse())
        self._offers.pop(sender, None)  # Both asked at once: one answer is enough.
        rtt_s = offer.rtt_us / 1e6 if offer.rtt_us else None
        effects: list[GossipEffect] = []
        if sender not in self.table.links and self.table.full:
            victim = self._victim(offer.near, rtt_s, offer.needy) if offer.near or offer.needy else None
            if victim is None:
                return self._send(sender, Refuse())
            effects = self._part(victim)
        eager = offer.eager or offer.near or self._wants_eager()
        self._agree(sender, Link(offer.near, eager, rtt_s, len(self._roster.others())), now)
        return [*effects, *self._send(sender, Accept(eager))]

    def _on_accept(self, sender: NodeId, accept: Accept, now: float) -> list[GossipEffect]:
        offered = self._offers.pop(sender, None)
        if sender in self.table.links:
            return []
        if offered is None or sender not in self._roster.others():
            return self._send(sender, Drop())
        rtt_s = now - offered.since
        effects: list[GossipEffect] = []
        if self.table.full:
            victim = self._victim(offered.near, rtt_s)
            if victim is None:
                return self._send(sender, Drop())
            effects = self._part(victim)
        self._agree(sender, Link(offered.near, accept.eager, rtt_s, len(self._roster.others())), now)
        return effects

    def _agree(self, node: NodeId, link: Link, now: float) -> None:
        self.table.add(node, link)
        self._sounder.shown(node, now)
        self._look_within(PACE_S, now)

    def _on_sound(self, sender: NodeId, sound: Sound, now: float) -> list[GossipEffect]:
        effects = self._send(sender, self._sounder.answer(sender, sound))
        if sender not in self.table.links:
            return [*effects, *(self._send(sender, Drop()) if sound.linked else [])]
        if sound.linked:
            self._sounder.shown(sender, now)
            return effects
        return [*effects, *self._lose(sender, now)]

    def _on_echo(self, sender: NodeId, echo: Echo, now: float) -> list[GossipEffect]:
        rtt_s = self._sounder.echo(sender, echo, now)
        self._look_within(max(HASTE_S, self._sounder.deadline() - now), now)
        if rtt_s is None or sender in self.table.links or sender in self._offers or not self._pays(rtt_s):
            return []
        return self._offer(sender, True, now)

    def _pays(self, rtt_s: float) -> bool:
        """Whether a near link of this length would be better than the longest one."""
        worst = self.table.longest_near()
        if worst is None or self.table.count(near=True) < self.table.near_goal:
            return True
        return _is_nearer(rtt_s, self.table.links[worst].rtt_s)

    def _victim(self, near: bool, rtt_s: float | None, needy: bool = False) -> NodeId | None:
        """Which link gives way to a new one. `needy`: who asks has no near link, though all here may have theirs."""
        if near:
            worst = self.table.longest_near()
            if worst is not None and rtt_s is not None and _is_nearer(rtt_s, self.table.links[worst].rtt_s):
                return worst
            spare = self.table.count(near=False) > self.table.goal - self.table.near_goal
            if spare and (needy or self.table.count(near=True) < self.table.near_goal):
                return self.table.stalest()
            return worst if needy else None
        return self.table.stalest() or self.table.longest_near()

    def _wants_eager(self) -> bool:
        return self.table.eager_count() < self._config.eager_min

    def _on_tick(self, now: float) -> list[GossipEffect]:
        self._looked_at, self._seen = now, self._roster.changes
        effects = self._end_offers(now)
        if self._refused:
            self._refused = {node: until for node, until in self._refused.items() if until > now}
        effects += self._drop_absent(now)
        if self.all_told:
            self._at = now + PACE_S if self.table.links else inf
            return effects
        self._sounder.heed_probes(now)
        effects += self._fill(now)
        effects += self._renew(now)
        effects += self._shorten(now)
        for node, sound in self._sounder.tick(now):
            if node not in self._offers:  # Asked by one that holds no link yet it would give up what it just agreed to.
                effects += self._send(node, sound)
        self._at = min(now + self._pace_s(), max(now + HASTE_S, self._sounder.deadline()))
        return effects

    def _pace_s(self) -> float:
        """How soon there may be something to do that no message and no change of the roster will tell of."""
        if not self._offers and len(self.table.links) < self.table.goal:
            return HASTE_S
        if self._offers or self._has_suspects() or self._has_stale():
            return PACE_S
        return inf if self._sounder.has_enough else SEEKING_S

    def _end_offers(self, now: float) -> list[GossipEffect]:
        """Offers without an answer are void. It may be the answer that was lost: then the other side holds a link."""
        over = [node for node, offer in self._offers.items() if offer.since + ANSWER_S <= now]
        for node in over:
            del self._offers[node]
        return [effect for node in over if node not in self.table.links for effect in self._send(node, Drop())]

    def _has_suspects(self) -> bool:
        suspects = [] if self._roster.is_whole else [self._roster.get(node) for node in self.table.links]
        return any(member is not None and member.standing is Standing.SUSPECT for member in suspects)

    def _drop_absent(self, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for node in [] if self._roster.is_whole else list(self.table.links):
            member = self._roster.get(node)
            suspect = member is not None and member.standing is Standing.SUSPECT and member.since + SUSPECT_S < now
            if member is None or not member.reachable or suspect:
                effects += self._send(node, Drop())
                self.table.remove(node)
        return [*effects, *self._lead_eagerly()]

    def _lose(self, node: NodeId, now: float) -> list[GossipEffect]:
        self._offers.pop(node, None)
        if node not in self.table.links:
            return []
        self.table.remove(node)
        self._look_within(HASTE_S, now)
        return self._lead_eagerly()

    def _lead_eagerly(self) -> list[GossipEffect]:
        """With a single eager link the next lost datagram would be missed: the nearest of the others becomes one."""
        if self.table.eager_count() >= 2 or (lazy := self.table.nearest_lazy()) is None:
            return []
        self.table.links[lazy].eager = True
        return self._send(lazy, Want((), graft=True))

    def _part(self, node: NodeId) -> list[GossipEffect]:
        self.table.remove(node)
        return self._send(node, Drop())

    def _fill(self, now: float) -> list[GossipEffect]:
        """Offer links until there are as many as wanted."""
        effects: list[GossipEffect] = []
        lacking = self.table.goal - len(self.table.links) - len(self._offers)
        if lacking <= 0:
            return effects
        near = self.table.count(near=True) + sum(offer.near for offer in self._offers.values())
        for _ in range(lacking):
            candidate = self._known_near() if near < self.table.near_goal else None
            near += candidate is not None
            effects += self._offer(candidate, True, now) if candidate else self._offer(self._drawn(), False, now)
        return effects

    def _has_stale(self) -> bool:
        return self.table.has_stale(len(self._roster.others()) / GROWN)

    def _renew(self, now: float) -> list[GossipEffect]:
        """Draw again what was drawn when the mesh was far smaller."""
        return self._offer(self._drawn(), False, now) if self._has_stale() and not self._offers else []

    def _shorten(self, now: float) -> list[GossipEffect]:
        """Offer a near link to the nearest that is known, where that would be better than the longest there is."""
        if self._offers or self._sounder.has_enough or (node := self._known_near()) is None:
            return []
        rtt_s = self._sounder.rtt_s(node)
        return self._offer(node, True, now) if rtt_s is not None and self._pays(rtt_s) else []

    def _known_near(self) -> NodeId | None:
        for node in self._sounder.nearest():
            if self._is_free(node):
                return node
        return None

    def _drawn(self) -> NodeId | None:
        others = self._roster.others()
        drawn = [self._rng.choice(others) for _ in range(4)]
        return next(filter(self._is_free, drawn), None)

    def _is_free(self, node: NodeId) -> bool:
        taken = node in self.table.links or node in self._offers or node in self._refused
        member = self._roster.get(node)
        return not taken and member is not None and member.standing is Standing.ALIVE

    def _offer(self, node: NodeId | None, near: bool, now: float) -> list[GossipEffect]:
        if node is None or not self._is_free(node):
            return []
        rtt_s = self._sounder.rtt_s(node)
        eager = near or self._wants_eager()  # The copies along near links are the first, and prune the far ones.
        self._offers[node] = Offered(near, eager, now)
        needy = len(self.table.links) < 2 or (near and not self.table.count(near=True))
        return self._send(node, Offer(near, int(rtt_s * 1e6) if rtt_s is not None else 0, needy, eager))

    def _send(self, node: NodeId, message: Message) -> list[GossipEffect]:
        at = self._roster.address(node)
        return [Send(node, at, message)] if at is not None else []

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert self._roster.me not in self.table.links
        self.table.check()
        self._sounder.check()
        assert not self._offers or self._at < inf, "an offer waits for ever"


def _is_nearer(rtt_s: float, than_s: float | None) -> bool:
    return than_s is None or (rtt_s < NEARER * than_s and rtt_s < than_s - NEARER_S)
