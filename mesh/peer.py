"""The peer introduces the cores to each other.

Invariant: it owns no protocol state; it holds one match over events and one over what cores say to each other.
"""

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import TypeGuard

from mesh.aside import Aside
from mesh.complaints import complaints
from mesh.crdt.board import Boards
from mesh.crdt.damage import Damaged, Mend, Suspect
from mesh.crdt.effects import Ended, Gap, LedgerEffect, Stocked
from mesh.crdt.events import Merge, OpenEra, Retry, RetryHeld, Stored, StoreFailed, TakeEnds
from mesh.crdt.ledger import Ledger
from mesh.crdt.replica import Table, Write
from mesh.crdt.scrub import Due, Scrub
from mesh.effects import OUTWARD, Effect, Emit, Store, StoreLazily
from mesh.errors import MalformedMessage, StorageError
from mesh.events import Connected, DialFailed, Disconnected, Found, Lapse, Leave, Publish, Received, Tick
from mesh.gossip.dissemination import Dissemination, MakeDissemination
from mesh.gossip.ends import EndSharing
from mesh.gossip.gate import Barred, Gate
from mesh.gossip.holding import Holding
from mesh.gossip.incoming import Merged, Progress
from mesh.gossip.links import Links
from mesh.gossip.membership import Membership
from mesh.gossip.posting import Forgotten, Posting, Rebooted
from mesh.gossip.reconcile import Ask, Differs, OwnHead, Reconcile
from mesh.gossip.redial import Known, Redial, read_book
from mesh.gossip.repair import Compare, Repair
from mesh.gossip.roster import Roster
from mesh.gossip.spread import Fresh, Spread
from mesh.gossip.timetable import Timetable
from mesh.messages import (
    Accept,
    Ack,
    Batches,
    BucketSums,
    Digests,
    Drop,
    Echo,
    EndNames,
    Ends,
    FoundBatches,
    Gossip,
    Have,
    Heads,
    HeadSums,
    Knock,
    More,
    Nack,
    Offer,
    Open,
    Ping,
    PingRequest,
    Prune,
    Refuse,
    RosterMarks,
    RosterPage,
    RosterSums,
    Sound,
    Versions,
    VersionSums,
    Want,
    WantBatches,
)
from mesh.messages import Boards as BoardsMessage
from mesh.origin import Origin, claim_of
from mesh.records import Close, Opened, Records, Submit, Together

Event = (
    Received
    | Connected
    | Disconnected
    | DialFailed
    | Found
    | Stored
    | StoreFailed
    | OpenEra
    | RetryHeld
    | TakeEnds
    | Publish
    | Submit
    | Together
    | Known
    | Leave
    | Damaged
    | Lapse
    | Tick
)
_Said = Effect | LedgerEffect | Fresh | Forgotten | Barred | OwnHead | Damaged | Mend | Suspect
MEMBERSHIP, RECONCILE, POSTING, REDIAL, RECORDS, GATE, REPAIR, SCRUB, LINKS, SPREAD, LEDGER = (
    1 << i for i in range(11)
)
"""The cores that want ticks, as bits, in the order in which they are ticked."""
KEEPERS = RECONCILE | POSTING | RECORDS | GATE | REPAIR | SCRUB | LEDGER  # What a peer holds is in their hands.


class Peer:
    """One member of the mesh, without any IO: the runtime and the simulator drive it alike."""

    def __init__(
        self,
        origin: Origin,
        rng: Random,
        entropy: Callable[[int], bytes],
        now: float,
        *,
        spread: MakeDissemination | None = None,
    ) -> None:
        trust, gossip = origin.trust, origin.config.gossip
        self.trust = trust
        book = [] if origin.acquaintance.order else read_book(origin.soft)  # Whom the roster knows is no stranger.
        known = (*origin.seeds, *book)
        self.roster = Roster(claim_of(origin), trust, now, origin.acquaintance, gossip.confirmations + 1)
        with origin.soft.read() as reader:
            self.boards = Boards(origin.mesh, reader)
        about = (origin.mesh, trust, origin.ledger, origin.certificate)
        self.ledger = Ledger(*about, entropy, limits=origin.config.ledger)
        self._membership = Membership(self.roster, gossip, _split(rng), self.digests, now)
        self.prober, self.planes = self._membership.prober, self._membership.planes
        self._reconcile = Reconcile(self.roster.me, self.ledger, self.boards, gossip, _split(rng))
        self.links = Links(self.roster, gossip, self.prober.roundtrips, _split(rng), now)
        chance = _split(rng)
        self.spread: Dissemination = (
            spread(self.roster, gossip, chance, origin.ledger)
            if spread is not None
            else Spread(self.links, self.roster, gossip, chance, origin.ledger)
        )
        self._posting = Posting(origin.mesh, self.roster, self.boards, trust, now)
        self._redial = Redial(self.roster, gossip, _split(rng), now, origin.seeds)
        self._records = Records(self.ledger, gossip, alone=not known, now=now)
        self.scrub = Scrub(self.ledger, origin.config.storage, now)
        self.repair = Repair(self.ledger, self.roster, trust, _split(rng))
        self._ends = EndSharing(self.ledger, self.roster, _split(rng))
        self._holding = Holding(self.roster, self.ledger, self.boards, self.repair)
        self._aside, self._gate, self._read_only = Aside(self.roster), Gate(self.ledger, self.roster), origin.read_only
        for at in book:
            self._redial.handle(Known(at), now)
        self._begin_ticks()

    def _begin_ticks(self) -> None:
        """Ask every core for its deadline; from now on each is asked when it was spoken to."""
        timed = (self._membership, self._reconcile, self._posting, self._redial, self._records, self._gate, self.repair)
        self._timetable = Timetable((*timed, self.scrub, self.links, self.spread, self.ledger))
        self._ticks: tuple[Callable[[float], Iterable[_Said]], ...] = (
            *(partial(core.handle, Tick()) for core in timed),
            partial(self.scrub.handle, Due()),
            partial(self.links.handle, Tick()),
            partial(self.spread.handle, Tick()),
            partial(self.ledger.handle, Retry()),
        )
        self._spoken, self._heeded = 0, self.roster.changes

    def digests(self) -> Digests:
        """What this peer holds, as its probes say it. Durable state only."""
        if self._spoken & KEEPERS:
            self._holding.changed()
        return self._holding.digests()

    def progress(self) -> Progress | None:
        """How far this peer has come in taking in what it lacks, while that is much."""
        return self._reconcile.progress()

    def deadline(self) -> float:
        """When the next Tick is due."""
        soonest = self._timetable.soonest
        return soonest if self._aside.refusal is None else self._aside.limit(soonest)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """React to one event of the world, with everything that the world is asked to do."""
        if self._aside.refusal is not None and (aside := self._aside.handle(event, now)) is not None:
            return aside
        effects, work = list[Effect](), list[_Said]()
        try:
            self._react(event, now, work)
        except (MalformedMessage, StorageError) as error:
            effects += complaints(event, error)
        if work:
            self._pass_all_on(event, now, work, effects)
        if self.roster.lives.displaced_by is not None:
            self._stand_aside(event, now, effects)
        if self._spoken & KEEPERS:
            self._holding.changed()
        if self.roster.changes != self._heeded:
            self._heeded = self.roster.changes
            self._spoken |= LINKS | REDIAL  # These rest until it changes.
        self._timetable.note(self._spoken)
        self._spoken = 0
        return effects

    def _stand_aside(self, event: Event, now: float, effects: list[Effect]) -> None:
        if (refusal := self._aside.begin(now)) is not None:  # What waits for its turn to be written is refused.
            self._spoken |= RECORDS
            self._pass_all_on(event, now, [*self._records.handle(Close(refusal), now)], effects)
        effects += self._aside.tick(now)

    def _pass_all_on(self, event: Event, now: float, work: list[_Said], effects: list[Effect]) -> None:
        for said in work:  # It grows while it is walked over.
            try:
                if _is_outward(said):
                    effects.append(said)
                else:
                    self._pass_on(said, now, work, effects)
            except (MalformedMessage, StorageError) as error:
                effects += complaints(event, error)

    def _react(self, event: Event, now: float, work: list[_Said]) -> None:
        match event:
            case Received():
                if self._gate.admits(event.sender):
                    self._on_message(event, now, work)
            case Tick():
                for core in self._timetable.due(now):
                    self._spoken |= 1 << core
                    work += self._ticks[core](now)
            case Connected():
                self._spoken |= GATE | REDIAL | MEMBERSHIP | RECONCILE
                work += self._gate.handle(event, now)
                work += self._redial.handle(event, now)
                work += self._membership.handle(event, now)
                work += self._reconcile.handle(event, now)
            case Disconnected():
                self._spoken |= MEMBERSHIP | RECONCILE
                work += self._membership.handle(event, now)
                work += self._ends.handle(event, now)
                work += self._reconcile.handle(event, now)
            case DialFailed():
                self._spoken |= REDIAL | MEMBERSHIP
                work += self._redial.handle(event, now)
                work += self._membership.handle(event, now)
            case Leave() | Lapse():
                self._spoken |= MEMBERSHIP
                work += self._membership.handle(event, now)
            case Known() | Found():
                self._spoken |= REDIAL
                work += self._redial.handle(event, now)
            case Stored() | StoreFailed():
                self._spoken |= LEDGER | RECONCILE
                work += self.ledger.handle(event, now)
                work += self._reconcile.handle(event, now)
            case OpenEra() | RetryHeld() | TakeEnds():
                self._spoken |= LEDGER
                work += self.ledger.handle(event, now)
            case Publish():
                self._spoken |= POSTING
                work += self._posting.handle(event, now)
            case Submit() | Together():
                self._spoken |= RECORDS | LEDGER
                work += self._records.handle(event, now)
            case Damaged():
                self._spoken |= REPAIR
                work += self.repair.handle(event, now)

    def _on_message(self, received: Received, now: float, work: list[_Said]) -> None:
        """Hand a message to those whom it concerns. The most frequent ones come first."""
        match received.message:
            case BoardsMessage(_, more, pulled):
                self._spoken |= SPREAD | POSTING
                if not pulled:
                    work += self.spread.handle(received, now)
                work += self._posting.handle(received, now)
                if more:
                    self._spoken |= RECONCILE
                    work += self._reconcile.handle(received, now)
            case Have():
                self._spoken |= SPREAD
                work += self.spread.handle(received, now)
            case Ack(digests=digests):
                self._spoken |= MEMBERSHIP
                work += self._membership.handle(received, now)
                if digests is not None:
                    self._on_digests(received, digests, now, work)
            case Ping():
                self._spoken |= MEMBERSHIP
                work += self._membership.handle(received, now)
            case Sound() | Echo() | Offer() | Accept() | Refuse() | Drop():
                self._spoken |= LINKS
                work += self.links.handle(received, now)
            case Batches():
                if not self._read_only:
                    self._on_batches(received, received.message, now, work)
            case Want() | Prune():
                self._spoken |= SPREAD
                work += self.spread.handle(received, now)
            case PingRequest() | Nack() | Knock() | Open() | Gossip() | RosterPage() | RosterSums() | RosterMarks():
                self._spoken |= MEMBERSHIP
                work += self._membership.handle(received, now)
            case Heads() | HeadSums() | More() | Versions() | VersionSums():
                self._spoken |= RECONCILE
                work += self._reconcile.handle(received, now)
            case WantBatches() | FoundBatches() | BucketSums():
                self._spoken |= REPAIR
                work += self.repair.handle(received, now)
            case EndNames():
                work += self._ends.handle(received, now)
            case Ends(ends):
                if not self._read_only:
                    self._spoken |= LEDGER
                    work += self.ledger.handle(TakeEnds(ends, received.sender), now)

    def _on_digests(self, received: Received, digests: Digests, now: float, work: list[_Said]) -> None:
        if not self._read_only:
            self._spoken |= RECONCILE
            differs = Differs(received.sender, received.at, digests)
            work += self._reconcile.handle(differs, now)
            work += self._ends.handle(differs, now)
        self._spoken |= REPAIR
        work += self.repair.handle(Compare(received.sender, received.at, digests), now)

    def _on_batches(self, received: Received, message: Batches, now: float, work: list[_Said]) -> None:
        sender, batches = received.sender, message.batches
        self._spoken |= LEDGER | RECONCILE
        if not message.session:
            self._spoken |= SPREAD
            work += self.spread.handle(received, now)
        merged = self.ledger.handle(Merge(sender, batches, message.certificates), now)
        work += merged
        ticket = next((said.ticket for said in merged if isinstance(said, Store)), None)
        about = Merged(sender, received.at, message.session, message.more, len(batches), ticket)
        work += self._reconcile.handle(about, now)

    def _pass_on(self, said: _Said, now: float, work: list[_Said], effects: list[Effect]) -> None:
        match said:
            case StoreLazily(writes):
                effects.append(said)
                if _tells_boot(writes):  # This node took a higher one.
                    self._spoken |= POSTING
                    work += self._posting.handle(Rebooted(self.roster.own.claim.boot), now)
            case Fresh():
                self._spoken |= SPREAD
                work += self.spread.handle(said, now)
            case Stocked():
                if not self._reconcile.catches_up_from(said.source):
                    self._spoken |= SPREAD
                    work += self.spread.handle(said, now)
            case Forgotten() | Barred():
                self._spoken |= MEMBERSHIP
                work += self._membership.handle(said, now)
            case Ended():
                self._spoken |= GATE
                work += self._gate.handle(said, now)
                work += self._ends.handle(said, now)
            case Damaged():
                self._spoken |= REPAIR
                work += self.repair.handle(said, now)
            case Suspect():
                self._spoken |= SCRUB
                work += self.scrub.handle(said, now)
            case Mend() if self._read_only:
                effects.append(Emit("storage.damaged", {"reason": f"{said.about}; this disk can't be written"}))
            case Mend():
                self._spoken |= LEDGER
                work += self.ledger.handle(said, now)
            case Gap(source):
                if (at := self.roster.address(source)) is not None:
                    self._spoken |= RECONCILE
                    work += self._reconcile.handle(Ask(source, at), now)
            case OwnHead():
                self._spoken |= LEDGER | RECORDS
                self._on_own_head(said, now, work)
            case _:
                effects.append(said)

    def _on_own_head(self, heard: OwnHead, now: float, work: list[_Said]) -> None:
        """A peer that knows more of our chain than our disk does has seen a life that this disk forgot (DESIGN §4).

        Before the first write its word is enough, once: waiting for the proof would cost the write. Later only a batch counts
        that this node has signed, and the ledger sees to that; whoever merely claims one could end era after era.
        """
        claimed = heard.head is not None and not self.ledger.holds(heard.head)
        if claimed and self._records.is_opening(now) and not self.ledger.is_ended:
            reason = "this node's disk was copied or restored: a peer knows of a batch of ours that it does not hold"
            work += self.ledger.handle(OpenEra(reason), now)
        work += self._records.handle(Opened(), now)

    def check(self) -> None:
        """Raise AssertionError where an invariant of any core is broken."""
        self.ledger.check()
        self._membership.check()
        self.links.check()
        self.spread.check()
        self._timetable.check()
        self._holding.check()


def _is_outward(said: _Said) -> TypeGuard[Effect]:
    return type(said) in OUTWARD  # That something is no instance of a Struct takes seven times as long to find out.


def _tells_boot(writes: tuple[Write, ...]) -> bool:
    return writes[0].table is not Table.BOARDS and any(write.table is Table.META for write in writes)


def _split(rng: Random) -> Random:
    return Random(rng.getrandbits(64))
