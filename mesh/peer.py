"""The peer introduces the cores to each other.

Invariant: it owns no protocol state; it holds one match over events and one over what cores say to each other.
"""

from collections import deque
from collections.abc import Callable
from random import Random

import msgspec
from msgspec import Struct

from mesh.aside import Aside
from mesh.config import Config
from mesh.crdt.board import Boards
from mesh.crdt.damage import Damaged, Mend, Suspect
from mesh.crdt.effects import Ended, Gap, LedgerEffect, Stocked
from mesh.crdt.events import Merge, OpenEra, Retry, RetryHeld, Stored, StoreFailed, TakeEnds
from mesh.crdt.ledger import Ledger
from mesh.crdt.replica import Replica, Table
from mesh.crdt.scrub import Due, Scrub
from mesh.effects import Effect, Emit, NotComposed, Store, StoreLazily
from mesh.errors import MalformedMessage, StorageError
from mesh.events import Connected, DialFailed, Disconnected, Leave, Publish, Received, Tick
from mesh.gossip.dissemination import Dissemination, MakeDissemination
from mesh.gossip.ends import EndSharing
from mesh.gossip.gate import Barred, Gate
from mesh.gossip.incoming import Merged, Progress
from mesh.gossip.links import Links
from mesh.gossip.members import NOBODY, Acquaintance
from mesh.gossip.membership import Membership
from mesh.gossip.posting import Forgotten, Posting, Rebooted
from mesh.gossip.reconcile import Ask, Differs, OwnHead, Reconcile
from mesh.gossip.redial import Known, Redial
from mesh.gossip.repair import Compare, Repair
from mesh.gossip.roster import Roster
from mesh.gossip.spread import Fresh, Spread
from mesh.ids import Address, Boot, MeshId
from mesh.messages import (
    Accept,
    Ack,
    Batches,
    BucketSums,
    Claim,
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
    SignedClaim,
    Sound,
    Standing,
    Versions,
    VersionSums,
    Want,
    WantBatches,
)
from mesh.messages import Boards as BoardsMessage
from mesh.records import Close, Opened, Records, Submit, Together
from mesh.security.trust import Trust

Event = (
    Received
    | Connected
    | Disconnected
    | DialFailed
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
    | Tick
)
_Said = Effect | LedgerEffect | Fresh | Forgotten | Barred | OwnHead | Damaged | Mend | Suspect


class Origin(Struct, frozen=True):
    """Who a peer is and what it stands on. `ledger` and `soft` are read here and written by whoever carries out effects."""

    mesh: MeshId
    certificate: bytes
    trust: Trust
    address: Address
    api: str
    boot: Boot
    ledger: Replica
    soft: Replica
    seeds: tuple[Address, ...] = ()
    config: Config = Config()
    acquaintance: Acquaintance = NOBODY  # Members that are known from the beginning, without having been met.
    read_only: bool = False  # The ledger's disk takes no writes: what comes in is not merged, what is here is served.


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
        own = trust.read_certificate(origin.certificate)
        self.trust = trust
        book = [] if origin.acquaintance.order else _read_book(origin.soft)  # Whom the roster knows is no stranger.
        known = (*origin.seeds, *book)
        self.roster = Roster(claim_of(origin), trust, now, origin.acquaintance)
        with origin.soft.read() as reader:
            self.boards = Boards(origin.mesh, reader)
        limits = origin.config.ledger
        self.ledger = Ledger(origin.mesh, trust, origin.ledger, origin.certificate, entropy, limits=limits)
        self._membership = Membership(self.roster, gossip, _split(rng), self.digests, now)
        self.prober, self.planes = self._membership.prober, self._membership.planes
        self._reconcile = Reconcile(own.node, self.ledger, self.boards, gossip, _split(rng))
        self.links = Links(self.roster, gossip, _split(rng), now)
        chance = _split(rng)
        self.spread: Dissemination = (
            spread(self.roster, gossip, chance, origin.ledger)
            if spread is not None
            else Spread(self.links, self.roster, gossip, chance, origin.ledger)
        )
        self._posting = Posting(origin.mesh, self.roster, self.boards, trust, now)
        self._redial = Redial(self.roster, gossip, _split(rng), now)
        self._records = Records(self.ledger, gossip, alone=not known, now=now)
        self.scrub = Scrub(self.ledger, origin.config.storage, now)
        self.repair = Repair(self.ledger, self.roster, trust, _split(rng))
        self._ends = EndSharing(self.ledger, self.roster, _split(rng))
        self._aside, self._gate = Aside(self.roster), Gate(self.ledger, self.roster)
        self._read_only = origin.read_only
        for at in known:
            self._redial.handle(Known(at), now)

    def digests(self) -> Digests:
        """What this peer holds, as its probes say it. Durable state only."""
        return Digests(self.roster.digest, self.ledger.durable.digest, self.boards.digest, self.repair.state())

    def progress(self) -> Progress | None:
        """How far this peer has come in taking in what it lacks, while that is much."""
        return self._reconcile.progress()

    def deadline(self) -> float:
        """When the next Tick is due."""
        cores = (self._membership, self._reconcile, self._posting, self._redial, self._records, self.ledger)
        others = (self.scrub, self.repair, self.links, self.spread, self._gate)
        return self._aside.limit(min(core.deadline() for core in (*cores, *others)))

    def handle(self, event: Event, now: float) -> list[Effect]:
        """React to one event of the world, with everything that the world is asked to do."""
        aside = self._aside.handle(event, now)
        if aside is not None:
            return aside
        effects: list[Effect] = []
        work: deque[_Said] = deque()
        try:
            self._react(event, now, work)
        except (MalformedMessage, StorageError) as error:
            effects += _complaints(event, error)
        while self._more(work, now):
            try:
                self._pass_on(work.popleft(), now, work, effects)
            except (MalformedMessage, StorageError) as error:
                effects += _complaints(event, error)
        return effects

    def _more(self, work: deque[_Said], now: float) -> bool:
        """Whether there is work left; what waits for its turn to be written is refused once this node stands back."""
        if not work and (refusal := self._aside.begin(now)) is not None:
            work += self._records.handle(Close(refusal), now)
        return bool(work)

    def _react(self, event: Event, now: float, work: deque[_Said]) -> None:
        match event:
            case Received():
                if self._gate.admits(event.sender):
                    self._on_message(event, now, work)
            case Connected():
                work += self._gate.handle(event, now)
                work += self._redial.handle(event, now)
                work += self._membership.handle(event, now)
                work += self._reconcile.handle(event, now)
            case Disconnected():
                work += self._membership.handle(event, now)
                work += self._ends.handle(event, now)
                work += self._reconcile.handle(event, now)
            case Leave():
                work += self._membership.handle(event, now)
            case DialFailed():
                work += self._redial.handle(event, now)
                work += self._membership.handle(event, now)
            case Known():
                work += self._redial.handle(event, now)
            case Stored() | StoreFailed():
                work += self.ledger.handle(event, now)
                work += self._reconcile.handle(event, now)
            case OpenEra() | RetryHeld() | TakeEnds():
                work += self.ledger.handle(event, now)
            case Publish():
                work += self._posting.handle(event, now)
            case Submit() | Together():
                work += self._records.handle(event, now)
            case Damaged():
                work += self.repair.handle(event, now)
            case Tick():
                for core in (self._membership, self._reconcile, self._posting, self._redial, self._records):
                    work += core.handle(event, now)
                work += self._gate.handle(event, now)
                work += self.repair.handle(event, now)
                work += self.scrub.handle(Due(), now)
                work += self.links.handle(event, now)
                work += self.spread.handle(event, now)
                if now >= self.ledger.deadline():
                    work += self.ledger.handle(Retry(), now)

    def _on_message(self, received: Received, now: float, work: deque[_Said]) -> None:
        match received.message:
            case Ack(digests=digests):
                work += self._membership.handle(received, now)
                if digests is not None and not self._read_only:
                    differs = Differs(received.sender, received.at, digests)
                    work += self._reconcile.handle(differs, now)
                    work += self._ends.handle(differs, now)
                if digests is not None:
                    work += self.repair.handle(Compare(received.sender, received.at, digests), now)
            case Ping() | PingRequest() | Nack() | Knock() | Open() | Gossip():
                work += self._membership.handle(received, now)
            case RosterPage() | RosterSums() | RosterMarks():
                work += self._membership.handle(received, now)
            case Heads() | HeadSums() | More() | Versions() | VersionSums():
                work += self._reconcile.handle(received, now)
            case WantBatches() | FoundBatches() | BucketSums():
                work += self.repair.handle(received, now)
            case EndNames():
                work += self._ends.handle(received, now)
            case Ends(ends):
                if not self._read_only:
                    work += self.ledger.handle(TakeEnds(ends, received.sender), now)
            case Batches():
                if not self._read_only:
                    self._on_batches(received, received.message, now, work)
            case Offer() | Accept() | Refuse() | Drop() | Sound() | Echo():
                work += self.links.handle(received, now)
            case Have() | Want() | Prune():
                work += self.spread.handle(received, now)
            case BoardsMessage(pulled=pulled):
                if not pulled:
                    work += self.spread.handle(received, now)
                work += self._posting.handle(received, now)
                work += self._reconcile.handle(received, now)

    def _on_batches(self, received: Received, message: Batches, now: float, work: deque[_Said]) -> None:
        sender, batches = received.sender, message.batches
        if not message.session:
            work += self.spread.handle(received, now)
        merged = self.ledger.handle(Merge(sender, batches, message.certificates), now)
        work += merged
        ticket = next((said.ticket for said in merged if isinstance(said, Store)), None)
        about = Merged(sender, received.at, message.session, message.more, len(batches), ticket)
        work += self._reconcile.handle(about, now)

    def _pass_on(self, said: _Said, now: float, work: deque[_Said], effects: list[Effect]) -> None:
        match said:
            case Stocked():
                if not self._reconcile.catches_up_from(said.source):
                    work += self.spread.handle(said, now)
            case Fresh():
                work += self.spread.handle(said, now)
            case Forgotten() | Barred():
                work += self._membership.handle(said, now)
            case Ended():
                work += self._gate.handle(said, now)
                work += self._ends.handle(said, now)
            case Damaged():
                work += self.repair.handle(said, now)
            case Suspect():
                work += self.scrub.handle(said, now)
            case Mend() if self._read_only:
                effects.append(Emit("storage.damaged", {"reason": f"{said.about}; this disk can't be written"}))
            case Mend():
                work += self.ledger.handle(said, now)
            case Gap(source):
                if (at := self.roster.address(source)) is not None:
                    work += self._reconcile.handle(Ask(source, at), now)
            case OwnHead():
                self._on_own_head(said, now, work)
            case StoreLazily(writes):
                effects.append(said)
                if any(write.table is Table.META for write in writes):  # This node took a higher boot.
                    work += self._posting.handle(Rebooted(self.roster.own.claim.boot), now)
            case _:
                effects.append(said)

    def _on_own_head(self, heard: OwnHead, now: float, work: deque[_Said]) -> None:
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


def claim_of(origin: Origin) -> Claim:
    """What a peer first says of itself."""
    own = origin.trust.read_certificate(origin.certificate)
    return Claim(own.node, own.name, own.key, origin.address, origin.api, origin.boot, 0, Standing.ALIVE)


def _complaints(event: Event, error: MalformedMessage | StorageError) -> list[Effect]:
    """What is said where an event could not be dealt with: bytes that a peer sent, or rows of this node's own disk."""
    match event, error:
        case Received(sender), MalformedMessage():
            return [Emit("peer.malformed", {"node": sender.hex(), "reason": str(error)})]
        case Submit(request), StorageError():
            return [NotComposed(request, error)]
        case Together(submits), StorageError():
            return [NotComposed(submit.request, error) for submit in submits]
        case _, StorageError():
            return [Emit("storage.damaged", {"reason": str(error)})]
        case _:
            return [Emit("peer.malformed", {"node": "", "reason": str(error)})]


def _split(rng: Random) -> Random:
    return Random(rng.getrandbits(64))


def _read_book(soft: Replica) -> list[Address]:
    """Where members that were ever met used to listen. An entry that cannot be read is passed over."""
    with soft.read() as reader:
        found = [_address_in(row) for _, row in reader.scan(Table.BOOK)]
    return [address for address in found if address is not None]


def _address_in(row: bytes) -> Address | None:
    try:
        signed = msgspec.msgpack.decode(row, type=SignedClaim)
        return msgspec.msgpack.decode(signed.body, type=Claim).address
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
