"""The roster: who is here, from what members say of themselves and others say of them (SWIM §4.2, DESIGN §7).

Invariant: (boot, counter) orders a member's claims; an accusation holds against the one signed claim that it names, so that nobody
can make up numbers, and only the member itself, by a higher counter or boot, overrides it. This node never believes an accusation
of itself.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from mesh.crdt.effects import Emit
from mesh.crdt.sums import Span, weigh
from mesh.errors import MalformedMessage
from mesh.gossip.lives import Judgement, Lives, knowing
from mesh.gossip.members import NOBODY, Acquaintance, Member, Members
from mesh.ids import Address, Boot, NodeId, short
from mesh.messages import VOICES_MAX, Accusation, Claim, Newsflash, SignedClaim, Standing
from mesh.security.trust import Trust, fingerprint

_encode = msgspec.msgpack.Encoder().encode
_decode_claim = msgspec.msgpack.Decoder(Claim).decode
_FAULTS = (msgspec.MsgspecError, UnicodeError, RecursionError)

NUMBER_MAX = 2**62  # Boots and counters: one more than an accusation may name still fits a message.


class Refuted(Struct, frozen=True):
    """A member has overridden accusations of this life of it, so many `times`; before the last one it stood as `was`."""

    was: Standing
    times: int


class Heard(Struct, frozen=True):
    """What came of a piece of news: pieces to spread further, and things worth knowing."""

    spread: tuple[tuple[NodeId, Newsflash], ...] = ()
    events: tuple[Emit, ...] = ()
    answer: tuple[Newsflash, ...] = ()  # For what is stale: what is held instead, to be refuted or outranked.
    answers: NodeId | None = None  # The only member that the answer is meant for.
    refuted: Refuted | None = None  # The member that this news is about.
    new_boot: Boot | None = None  # Somebody else used our name: take this boot, and store it.


NOTHING = Heard()


def read_claim(signed: SignedClaim, trust: Trust) -> Claim:
    """The claim in signed bytes. Raises MalformedMessage where it is not the named member's own."""
    try:
        claim = _decode_claim(signed.body)
    except _FAULTS as error:
        raise MalformedMessage(f"a member's claim was expected: {error}") from None
    if fingerprint(claim.key) != claim.node or not trust.verify(claim.key, signed.signature, signed.body):
        raise MalformedMessage(f"a claim in the name of {claim.name} ({short(claim.node)}) is not signed by its key")
    if claim.standing not in (Standing.ALIVE, Standing.LEFT) or not (
        _in_bounds(claim, NUMBER_MAX) and all(0 <= noise < 2**64 for noise in claim.over)
    ):
        raise MalformedMessage(f"{claim.name} claims what no member can say of itself")
    return claim


class Roster:
    """All members ever heard of, this node among them."""

    __slots__ = ("_barred", "_members", "_trust", "_voices_max", "lives", "me")

    def __init__(
        self, claim: Claim, trust: Trust, now: float, base: Acquaintance = NOBODY, voices_max: int = VOICES_MAX
    ) -> None:
        """This node's roster; `base` are members that it knows from the beginning, alive as they claim.

        Of who suspects a member `voices_max` are kept and told: more shorten nobody's time to refute (Lifeguard's K and the first).
        """
        self.me, self._voices_max = claim.node, min(voices_max, VOICES_MAX)
        self._trust = trust
        self.lives = Lives()
        self._barred: dict[NodeId, None] = {}
        self._members = Members(claim.node, base)
        self._put(claim, self._sign(claim), claim.standing, now)

    @property
    def own(self) -> Member:
        """This node's own entry."""
        return self._members[self.me]

    @property
    def digest(self) -> bytes:
        """16 bytes over every member's (boot, counter) and standing; a suspicion, which passes, does not count."""
        return self._members.sums.digest

    def get(self, node: NodeId) -> Member | None:
        """The entry of a member, if it was ever heard of."""
        return self._members.get(node)

    def members(self) -> list[Member]:
        """Every entry, in the order in which they were heard of."""
        return list(self._members)

    def others(self) -> Sequence[NodeId]:
        """The members that take part, without this node, in no order that means anything; the list changes with them."""
        return self._members.present

    def absent(self) -> list[Member]:
        """The members that take no part, this node aside."""
        return [self._members[node] for node in self._members.absent]

    @property
    def size(self) -> int:
        """How many take part, this node included."""
        return len(self.others()) + 1

    @property
    def changes(self) -> int:
        """How many entries were begun or replaced so far."""
        return self._members.changes

    @property
    def is_whole(self) -> bool:
        """Whether every member ever heard of takes part, and none is suspected."""
        return not self._members.absent and not self._members.suspects

    def __len__(self) -> int:
        return len(self._members)

    def nth(self, place: int) -> NodeId:
        """The member heard of as number `place`, from 0 on; nobody's number ever changes."""
        return self._members.nth(place)

    def takes_part(self, node: NodeId) -> bool:
        """Whether another member takes part."""
        return node in self._members.present

    def address(self, node: NodeId) -> Address | None:
        """Where a member can be reached."""
        member = self._members.get(node)
        return member.claim.address if member is not None else None

    def at(self, address: Address) -> list[NodeId]:
        """The members that take part and listen at `address`; more than one where an address is used twice."""
        return self._members.at(address)

    def find(self, name: str) -> NodeId | None:
        """The member of that human name."""
        return next(iter(self._members.named(name)), None)

    def sums(self, of: int) -> bytes:
        """What `of` buckets of members come to, 8 bytes each."""
        return self._members.sums.coarse(of)

    def within(self, span: Span) -> list[Member]:
        """The members in a span of identities."""
        return [self._members[node] for node in self._members.nodes() if span.covers(node)]

    def page(self, nodes: Sequence[NodeId] | None = None) -> tuple[tuple[SignedClaim, ...], tuple[Accusation, ...]]:
        """What is known of some members or all, for a peer that may lack it."""
        found = [self._members.get(node) for node in nodes] if nodes is not None else self._members
        members = [member for member in found if member is not None]
        return tuple(m.signed for m in members), tuple(m.accusation for m in members if m.accusation is not None)

    def hear(self, news: Newsflash, now: float) -> Heard:
        """Take in one piece of news. Raises MalformedMessage for a forged one."""
        match news:
            case SignedClaim():
                return self._hear_claim(news, now)
            case Accusation():
                return self._hear_accusation(news, now)

    def _hear_claim(self, signed: SignedClaim, now: float) -> Heard:
        node = _node_of(signed)
        member = self._members.get(node)
        if member is not None and signed.body == member.signed.body:
            answer = _held(member)[1:]
            return Heard(answer=answer, answers=node) if answer else NOTHING
        claim = read_claim(signed, self._trust)
        if node == self.me:
            return self._hear_own_name(claim, now)
        if member is not None and (claim.boot, claim.counter) <= (member.claim.boot, member.claim.counter):
            return Heard(answer=_held(member), answers=node)
        self._put(claim, signed, claim.standing, now)
        if node in self._barred:
            return self.bar(node, now)
        return Heard(((node, signed),), self._tell_change(member, claim), refuted=_refuted(member, claim))

    def bar(self, node: NodeId, now: float) -> Heard:
        """Hold a member down whatever it claims: an admin has ended it. Its claims are kept, so that rosters agree."""
        self._barred[node] = None
        member = self._members.get(node)
        if node == self.me or member is None:
            return NOTHING
        shut = self.accuse(node, Standing.DOWN, now)
        return Heard(((node, member.signed), *shut.spread), shut.events)

    def _tell_change(self, before: Member | None, claim: Claim) -> tuple[Emit, ...]:
        about: dict[str, str | int | float | bool] = {
            "node": claim.node.hex(),
            "name": claim.name,
            "at": str(claim.address),
        }
        events = []
        if before is None or before.standing is not claim.standing:
            events.append(Emit("member.left" if claim.standing is Standing.LEFT else "member.alive", about))
        if before is not None and before.claim.boot != claim.boot:
            events.append(Emit("member.restarted", about))
        new = before is None or before.claim.address != claim.address
        if new and (reason := self.conflict(claim.node)):
            events.append(Emit("member.conflict", {**about, "reason": reason}))
        return tuple(events)

    def conflict(self, node: NodeId) -> str:
        """What a member shares with another one that nobody may share, as a sentence; empty where there is nothing."""
        claim = self._members[node].claim
        others = dict.fromkeys((*self._members.named(claim.name), *self._members.at(claim.address), self.me))
        for other in others:
            here = self._members[other].claim
            if other == node or not (self.takes_part(other) or other == self.me):
                continue
            if here.name == claim.name:
                return f"{short(other)} at {here.address} has the same name"
            if here.address == claim.address and (self.takes_part(node) or node == self.me):
                return f"{here.name} ({short(other)}) has the same address"
        return ""

    def _hear_own_name(self, claim: Claim, now: float) -> Heard:
        """A claim in our name that we did not just make: an echo of an older life, or a copy of our disk."""
        match self.lives.judge(self.own.claim, claim):
            case Judgement.OUTRANK:
                return self.outrank(claim.boot, now, claim.over)
            case Judgement.REFUTE:
                return self._refute(claim.counter, now)
            case Judgement.STAND_BACK:
                return self._stand_back(claim, now)
            case Judgement.COPIED:
                return Heard(events=(self._copied(claim, f"a copy of it runs at {claim.address} and stands back"),))
            case Judgement.NOTHING:
                return NOTHING

    def _hear_accusation(self, accusation: Accusation, now: float) -> Heard:
        if accusation.standing not in (Standing.SUSPECT, Standing.DOWN) or not _in_bounds(accusation, NUMBER_MAX - 1):
            raise MalformedMessage(
                f"{short(accusation.accuser)} says of {short(accusation.node)} what no member can say"
            )
        if accusation.node == self.me:
            return self._hear_own_accusation(accusation, now)
        member = self._members.get(accusation.node)
        if member is None:
            return NOTHING
        named, held = (accusation.boot, accusation.counter), (member.claim.boot, member.claim.counter)
        if named < held:
            return Heard(answer=(member.signed,))
        if named > held:
            return NOTHING  # It may be made up. Where there is such a claim, the rosters' digests differ, and it comes.
        if accusation.standing > member.standing:
            return self._believe(member, accusation, now)
        before = member.accusation
        if before is None or accusation.standing is not Standing.SUSPECT or before.standing is not Standing.SUSPECT:
            return NOTHING
        return self._join_voices(member, before, accusation)

    def _believe(self, member: Member, accusation: Accusation, now: float) -> Heard:
        name = {Standing.SUSPECT: "member.suspect"}.get(accusation.standing, "member.down")
        about = {"node": member.claim.node.hex(), "name": member.claim.name, "accuser": accusation.accuser.hex()}
        self._put(member.claim, member.signed, accusation.standing, now, accusation)
        return Heard(((accusation.node, accusation),), (Emit(name, {**about}),))

    def _join_voices(self, member: Member, before: Accusation, heard: Accusation) -> Heard:
        """A suspicion that is held already, perhaps found out by others too: such a confirmation is passed on."""
        room = self._voices_max - len(before.voices)
        more = [voice for voice in heard.voices if voice not in before.voices][: max(0, room)]
        if not more:
            return NOTHING
        voices = tuple(sorted((*before.voices, *more)))
        joined = msgspec.structs.replace(before, voices=voices)
        self._members.put(msgspec.structs.replace(member, accusation=joined))
        return Heard(((heard.node, joined),))

    def accuse(self, node: NodeId, standing: Standing, now: float, voice: bool = True) -> Heard:
        """This node's own verdict on another member. `voice`: a suspicion that counts as a confirmation."""
        member = self._members[node]
        voices = (self.me,) if voice and standing is Standing.SUSPECT else ()
        claim = member.claim
        return self._hear_accusation(Accusation(node, claim.boot, claim.counter, standing, self.me, voices), now)

    def _hear_own_accusation(self, accusation: Accusation, now: float) -> Heard:
        claim = self.own.claim
        if (accusation.boot, accusation.counter) < (claim.boot, claim.counter):
            return Heard(answer=(self.own.signed,))
        if (accusation.boot, accusation.counter) > (claim.boot, claim.counter):
            return NOTHING  # Made up, or of a life that this disk forgot: then our own signed claim of it will be shown to us.
        return self._refute(accusation.counter, now)

    def _refute(self, counter: int, now: float) -> Heard:
        if self.own.standing is Standing.LEFT:
            return NOTHING
        spread = self.restate(msgspec.structs.replace(self.own.claim, counter=counter + 1), now)
        return Heard(spread, (Emit("member.refuted", {"node": self.me.hex(), "counter": counter + 1}),))

    def outrank(self, heard: Boot, now: float, over: tuple[int, ...] = ()) -> Heard:
        """Take a boot above one that was signed in this node's name, is not of this life, and outranked `over`."""
        if self.lives.displaced_by is not None:
            return NOTHING
        own = self.own.claim
        boot = self.lives.outrank(heard, own.boot)
        risen = msgspec.structs.replace(own, boot=boot, counter=0, over=knowing(own, heard, over))
        spread = self.restate(risen, now)
        return Heard(spread, (Emit("member.outranked", {"node": self.me.hex(), "boot": boot.count}),), new_boot=boot)

    def _stand_back(self, stranger: Claim, now: float) -> Heard:
        """Leave the name to the stranger. The next start begins above its boot, so that it hears of that."""
        own = self.own.claim
        over = knowing(own, stranger.boot, stranger.over)
        parting = msgspec.structs.replace(own, counter=own.counter + 1, standing=Standing.LEFT, over=over)
        spread = self.restate(parting, now)
        said = f"another node runs with its key at {stranger.address}, and this one stands back"
        return Heard(spread, (self._copied(stranger, said),), new_boot=Boot(stranger.boot.count, own.boot.noise))

    def _copied(self, stranger: Claim, said: str) -> Emit:
        reason = f"this node's disk was copied: {said}"
        return Emit("member.copied", {"node": self.me.hex(), "at": str(stranger.address), "reason": reason})

    def restate(self, claim: Claim, now: float) -> tuple[tuple[NodeId, Newsflash], ...]:
        """Say something new of this node itself. Returns what to spread."""
        self._put(claim, self._sign(claim), claim.standing, now)
        return ((self.me, self.own.signed),)

    def _sign(self, claim: Claim) -> SignedClaim:
        body = _encode(claim)
        return SignedClaim(body, self._trust.sign(body))

    def _put(
        self, claim: Claim, signed: SignedClaim, standing: Standing, now: float, accusation: Accusation | None = None
    ) -> None:
        self._members.put(Member(claim, signed, standing, now, accusation, weight_of(claim, standing)))

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert self.own.standing in (Standing.ALIVE, Standing.LEFT)
        self._members.check()


def _in_bounds(said: Claim | Accusation, most: int) -> bool:
    return 0 <= said.boot.count <= most and 0 <= said.boot.noise < 2**64 and 0 <= said.counter <= most


def _refuted(before: Member | None, claim: Claim) -> Refuted | None:
    if before is None or before.claim.boot != claim.boot or claim.standing is not Standing.ALIVE:
        return None
    return Refuted(before.standing, claim.counter - before.claim.counter)


def _held(member: Member) -> tuple[Newsflash, ...]:
    return (member.signed, member.accusation) if member.accusation is not None else (member.signed,)


def _node_of(signed: SignedClaim) -> NodeId:
    try:
        return _decode_claim(signed.body).node
    except _FAULTS as error:
        raise MalformedMessage(f"a member's claim was expected: {error}") from None


def weight_of(claim: Claim, standing: Standing) -> int:
    """What a member adds to the sums of a roster."""
    counted = Standing.ALIVE if standing is Standing.SUSPECT else standing
    return weigh(_encode((claim.node, claim.boot, claim.counter, counted)))
