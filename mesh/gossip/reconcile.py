"""Reconcile finds and sends what the other side lacks, whatever was lost and however long a peer was away (DESIGN §8).

Invariant: it is two-way, resumable after every parcel, and asks for more only when what came is stored; it speaks of durable
state only, so its cost follows the difference.
"""

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.crdt.board import Boards as HeldBoards
from mesh.crdt.board import SignedDelta
from mesh.crdt.effects import Stocked
from mesh.crdt.ledger import Ledger
from mesh.crdt.log import missing
from mesh.effects import Emit, GossipEffect, Stream
from mesh.events import Connected, Received, Tick
from mesh.ids import Address, BatchHash, Boot, Head, NodeId, WriterId
from mesh.messages import Batches, Boards, BoardVersion, Digests, Heads

PARCEL_BYTES = 512 * 1024  # One answer: the receiver verifies and stores it in about a second, then asks for more.
SETTLE_S = 0.3  # A difference that push is about to close anyway is given this long.


class Differs(Struct, frozen=True):
    """A probe or its answer carried the digests of `peer`."""

    peer: NodeId
    at: Address
    digests: Digests


class Ask(Struct, frozen=True):
    """Something that came from `peer` does not follow on what is here."""

    peer: NodeId
    at: Address


class OwnHead(Struct, frozen=True):
    """What `peer` holds of this node's own writer; None: nothing."""

    peer: NodeId
    head: Head | None


ReconcileEvent = Differs | Ask | Received | Connected | Stocked | Tick


class Reconcile:
    """Brings two peers to the same heads and the same boards."""

    def __init__(self, ledger: Ledger, boards: HeldBoards, config: GossipConfig, rng: Random) -> None:
        self._ledger, self._boards, self._config, self._rng = ledger, boards, config, rng
        self._differing: dict[NodeId, tuple[Address, Digests]] = {}
        self._at = float("inf")
        self._asked_at = float("-inf")
        self._told: dict[WriterId, BatchHash] = {}
        self._more: dict[NodeId, Address] = {}

    def deadline(self) -> float:
        """When the next reconciliation begins."""
        return self._at

    def handle(self, event: ReconcileEvent, now: float) -> list[GossipEffect | OwnHead]:
        """React to one event."""
        match event:
            case Differs():
                return self._on_digests(event, now)
            case Ask(peer, at):
                return self._on_ask(peer, at, now)
            case Connected(node, at, dialled):
                return [self._ask(node, at)] if dialled else []
            case Received(sender, at, Heads() as heads):
                return self._on_heads(sender, at, heads)
            case Received(sender, at, Batches(more=True)):
                self._more[sender] = at
                return []
            case Stocked(_, source):
                return self._on_stocked(source)
            case Tick():
                return self._on_tick(now)
            case _:
                return []

    def _on_digests(self, differs: Differs, now: float) -> list[GossipEffect | OwnHead]:
        self._differing.pop(differs.peer, None)
        if self._equal(differs.digests):
            return []
        self._differing[differs.peer] = (differs.at, differs.digests)
        if self._at == float("inf"):
            self._at = now + SETTLE_S * (1 + self._rng.random())
        return []

    def _on_ask(self, peer: NodeId, at: Address, now: float) -> list[GossipEffect | OwnHead]:
        if now < self._asked_at + self._config.sync_interval_s:
            return []  # The digests on the next probe will still differ.
        self._asked_at = now
        return [self._ask(peer, at)]

    def _equal(self, digests: Digests) -> bool:
        return digests.ledger == self._ledger.durable.digest and digests.boards == self._boards.digest

    def _on_tick(self, now: float) -> list[GossipEffect | OwnHead]:
        if now < self._at:
            return []
        self._at = float("inf")
        differing = [(n, at) for n, (at, digests) in self._differing.items() if not self._equal(digests)]
        self._differing.clear()
        if not differing:
            return []
        node, at = self._rng.choice(differing)
        return [self._ask(node, at)]

    def _ask(self, node: NodeId, at: Address) -> Stream:
        return Stream(node, at, self._heads(reply=True))

    def _heads(self, reply: bool) -> Heads:
        held = self._boards.owners()
        versions = tuple(BoardVersion(owner, held[owner].boot, held[owner].version) for owner in sorted(held))
        return Heads(self._ledger.durable.heads(), versions, reply)

    def _on_heads(self, sender: NodeId, at: Address, theirs: Heads) -> list[GossipEffect | OwnHead]:
        own = next((head for head in theirs.heads if head.writer == self._ledger.writer), None)
        effects: list[GossipEffect | OwnHead] = [OwnHead(sender, own)]
        with self._ledger.read_durable() as reader:
            numbers = {head.writer: max(0, head.number) for head in theirs.heads}
            parcel = missing(reader, self._ledger.mesh, self._ledger.durable.lines, numbers, PARCEL_BYTES)
        if parcel.batches:
            effects.append(Stream(sender, at, Batches(parcel.batches, parcel.certificates, parcel.more)))
        effects += [Stream(sender, at, parcel) for parcel in self._deltas_for(theirs)]
        effects += self._forks(theirs)
        if theirs.reply:
            effects.append(Stream(sender, at, self._heads(reply=False)))
        return effects

    def _forks(self, theirs: Heads) -> list[Emit]:
        """Writers of which both sides have as many batches and not the same ones: told once for each head."""
        lines = self._ledger.durable.lines
        forked = [h for h in theirs.heads if (line := lines.get(h.writer)) and _same_number_only(line.have, h)]
        news = [head for head in forked if self._told.get(head.writer) != head.hash]
        self._told.update({head.writer: head.hash for head in news})
        reason = "a peer has another batch of this number: a disk was copied or a key stolen"
        return [Emit("ledger.fork", {"writer": h.writer.hex(), "number": h.number, "reason": reason}) for h in news]

    def _deltas_for(self, theirs: Heads) -> Iterator[Boards]:
        """The boards that the other side lacks, cut into parcels of which each fits a frame."""
        known = {board.owner: (board.boot, board.version) for board in theirs.boards}
        nothing = (Boot(-1, 0), 0)
        found = [self._boards.since(owner, *known.get(owner, nothing)) for owner in sorted(self._boards.owners())]
        parcel: list[SignedDelta] = []
        size = 0
        for signed in (signed for deltas in found for signed in deltas):
            if parcel and size + len(signed.body) > PARCEL_BYTES:
                yield Boards(tuple(parcel))
                parcel, size = [], 0
            parcel.append(signed)
            size += len(signed.body)
        if parcel:
            yield Boards(tuple(parcel))

    def _on_stocked(self, source: NodeId | None) -> list[GossipEffect | OwnHead]:
        at = self._more.pop(source, None) if source is not None else None
        return [self._ask(source, at)] if source is not None and at is not None else []


def _same_number_only(ours: Head, theirs: Head) -> bool:
    return ours.number == theirs.number and ours.hash != theirs.hash
