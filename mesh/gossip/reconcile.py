"""Reconcile finds and sends what the other side lacks, whatever was lost and however long a peer was away (DESIGN §8).

Invariant: it is two-way, resumable after every parcel, and asks for more only when what came is stored; it speaks of durable
state only. Sums by bucket are compared first and heads named only where they differ, so its cost follows the difference.
"""

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.crdt.board import Boards as HeldBoards
from mesh.crdt.compared import Compared, anchors
from mesh.crdt.events import Stored, StoreFailed
from mesh.crdt.ledger import Ledger
from mesh.crdt.log import lacking, unequal
from mesh.crdt.replica import Reader
from mesh.crdt.sums import EVERYTHING, NOTHING, Span, differing, grain_for, grain_of
from mesh.effects import GossipEffect, Stream
from mesh.events import Connected, Disconnected, Received, Tick
from mesh.gossip.incoming import Incoming, Merged, Progress
from mesh.gossip.outgoing import Outgoing
from mesh.gossip.showing import Showing
from mesh.ids import Address, Head, NodeId, WriterId
from mesh.messages import HEADS_MAX, Digests, Heads, HeadSums, More

SETTLE_S = 0.3  # A difference that push is about to close anyway is given this long,
PUSHED_S = 3.0  # and while news keeps coming, as in a burst of writes, so long at most.
FEW = 32  # So many entries are sent at once: their sums would be no shorter.


class Differs(Struct, frozen=True):
    """The answer to a probe carried the digests of `peer`."""

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


ReconcileEvent = Differs | Ask | Received | Connected | Disconnected | Merged | Stored | StoreFailed | Tick
Said = GossipEffect | OwnHead


class Reconcile:
    """Brings two peers to the same heads and the same boards. `me` tells which of two crossing questions goes on."""

    __slots__ = (
        "_anchored",
        "_asked_at",
        "_at",
        "_boards",
        "_config",
        "_differ_since",
        "_differing",
        "_incoming",
        "_ledger",
        "_me",
        "_outgoing",
        "_queue",
        "_rng",
        "_showing",
    )

    def __init__(self, me: NodeId, ledger: Ledger, boards: HeldBoards, config: GossipConfig, rng: Random) -> None:
        self._me, self._ledger, self._boards, self._config, self._rng = me, ledger, boards, config, rng
        self._outgoing, self._incoming, self._showing = Outgoing(ledger), Incoming(rng), Showing(boards)
        self._differing: dict[NodeId, tuple[Address, Digests]] = {}
        self._queue: dict[NodeId, Address] = {}  # Peers that were met while another one was asked.
        self._at = self._differ_since = float("inf")
        self._asked_at = float("-inf")
        self._anchored: dict[tuple[NodeId, WriterId], tuple[int, tuple[Head, ...]]] = {}

    def deadline(self) -> float:
        """When the next reconciliation begins, a parcel may leave, or a patience ends."""
        return min(self._at, self._outgoing.deadline(), self._incoming.deadline())

    def progress(self) -> Progress | None:
        """How far this node has come in taking in what it lacks, while that is much."""
        return self._incoming.progress(self._ledger.durable.lines)

    def catches_up_from(self, peer: NodeId | None) -> bool:
        """Whether `peer` is sending us much: others have that already, and are not told of it."""
        return self._incoming.long_from(peer)

    def handle(self, event: ReconcileEvent, now: float) -> list[Said]:
        """React to one event. Raises MalformedMessage for sums that cannot be compared."""
        match event:
            case Differs():
                return self._on_digests(event, now)
            case Ask(peer, at):
                return self._on_ask(peer, at, now)
            case Connected(node, at, dialled):
                return self._on_connected(node, at, now) if dialled else []
            case Disconnected(node):
                self._outgoing.forget(node)
                self._incoming.forget(node)
                self._queue.pop(node, None)
                self._anchored = {key: told for key, told in self._anchored.items() if key[0] != node}
                return self._ask_next(now)
            case Received():
                return self._on_message(event, now)
            case Merged():
                self._wait_for_more(event, now)
                return [*self._incoming.merged(event, self._ledger.durable.lines, now), *self._ask_next(now)]
            case Stored(ticket):
                return [*self._incoming.stored(ticket, self._ledger.durable.lines, now), *self._ask_next(now)]
            case StoreFailed():
                self._incoming.failed()
                return self._ask_next(now)
            case Tick():
                return self._on_tick(now)

    def _on_message(self, received: Received, now: float) -> list[Said]:
        sender, at = received.sender, received.at
        match received.message:
            case Heads() as heads:
                return [*self._on_heads((sender, at), heads, now), *self._ask_next(now)]
            case HeadSums() as sums:
                return self._on_sums((sender, at), sums, now)
            case More() as more:
                self._outgoing.allow(sender, more, now)
                return [*self._outgoing.send_some()]
            case _:
                return [*self._showing.handle(received)]

    def _on_digests(self, differs: Differs, now: float) -> list[Said]:
        self._differing.pop(differs.peer, None)
        if self._equal(differs.digests) or self._outgoing.serves(differs.peer, now):
            return []
        self._differing[differs.peer] = (differs.at, differs.digests)
        if self._at == float("inf"):
            self._differ_since = now
            self._at = now + SETTLE_S * (1 + self._rng.random())
        return []

    def _wait_for_more(self, merged: Merged, now: float) -> None:
        """Pushed news came: what else differs may be right behind it."""
        pushed = not merged.session and merged.ticket is not None
        if pushed and self._at != float("inf"):
            self._at = min(max(self._at, now + SETTLE_S), self._differ_since + PUSHED_S)

    def _on_ask(self, peer: NodeId, at: Address, now: float) -> list[Said]:
        if now < self._asked_at + self._config.sync_interval_s or self._incoming.busy:
            return []  # The digests on the next probe will still differ.
        self._asked_at = now
        return [*self._ask(peer, at, now)]

    def _on_connected(self, node: NodeId, at: Address, now: float) -> list[Said]:
        if self._incoming.busy:
            self._queue[node] = at
            return []
        return [*self._ask(node, at, now), *self._showing.ask(node, at)]

    def _ask_next(self, now: float) -> list[Said]:
        """Whoever was met meanwhile gets its turn once nobody is asked."""
        if not self._queue or self._incoming.busy:
            return []
        node = next(iter(self._queue))
        return self._on_connected(node, self._queue.pop(node), now)

    def _equal(self, digests: Digests) -> bool:
        return digests.ledger == self._ledger.durable.digest and digests.boards == self._boards.digest

    def _on_tick(self, now: float) -> list[Said]:
        effects: list[Said] = [*self._outgoing.send_some(), *self._incoming.lose_patience(now), *self._ask_next(now)]
        if now < self._at:
            return effects
        self._at = float("inf")
        found = [(node, at, digests) for node, (at, digests) in self._differing.items() if not self._equal(digests)]
        self._differing.clear()
        if not found:
            return effects
        kept = [choice for choice in found if not self._incoming.avoids(choice[0], now)]
        node, at, digests = self._rng.choice(kept or found)
        if digests.ledger != self._ledger.durable.digest and not self._incoming.busy:
            effects += self._ask(node, at, now)
        if digests.boards != self._boards.digest:
            effects += self._showing.ask(node, at)
        return effects

    def _ask(self, node: NodeId, at: Address, now: float) -> Iterator[Stream]:
        """Ask what of the ledger differs: by naming all heads where they are few, by sums otherwise."""
        session = self._incoming.ask(node, now)
        credit = self._incoming.credit(node, session, now)
        lines = self._ledger.durable.lines
        if len(lines) <= FEW:
            yield Stream(node, at, Heads(self._ledger.durable.heads(), True, EVERYTHING, session, credit))
        else:
            sums = self._ledger.durable.sums(grain_for(len(lines)))
            yield Stream(node, at, HeadSums(sums, session, credit))

    def _crossed(self, peer: NodeId, session: int, now: float) -> bool:
        return self._incoming.crossed(peer, session, self._me > peer, now)

    def _on_sums(self, to: tuple[NodeId, Address], theirs: HeadSums, now: float) -> list[Said]:
        of = grain_of(theirs.sums)
        if self._crossed(to[0], theirs.session, now):
            return []
        span = Span(of, differing(self._ledger.durable.sums(of), theirs.sums))
        heads = self._ledger.durable.heads(span)
        return [*self._name(heads, to, Heads((), bool(span.buckets), span, theirs.session), now)]

    def _name(self, heads: tuple[Head, ...], to: tuple[NodeId, Address], empty: Heads, now: float) -> Iterator[Stream]:
        """`heads` in as many pages as they need, each otherwise like `empty`."""
        credit = self._incoming.credit(to[0], empty.session, now) if empty.span.buckets else 0
        for span, some in pages(heads, empty.span):
            yield Stream(*to, Heads(some, empty.reply, span, empty.session, credit))

    def _on_heads(self, to: tuple[NodeId, Address], theirs: Heads, now: float) -> list[Said]:
        effects: list[Said] = [*self._own_head(to[0], theirs)]
        if theirs.reply and self._crossed(to[0], theirs.session, now):
            return effects
        if theirs.reply:
            answer = unequal(self._ledger.durable.heads(theirs.span), theirs.heads)
            effects += self._name(answer, to, Heads((), False, theirs.span, theirs.session), now)
        unnamed = theirs.span if theirs.reply else NOTHING
        with self._ledger.read_durable() as reader:
            stretches = lacking(reader, self._ledger.durable, theirs.heads, unnamed)
            effects += self._anchors(reader, to, theirs, now)
        if stretches and theirs.credit:
            self._outgoing.begin(to, theirs, stretches, now)
            effects += self._outgoing.send_some()
        effects += self._incoming.promise(to[0], theirs, self._ledger.durable.lines, now)
        return effects

    def _own_head(self, peer: NodeId, theirs: Heads) -> Iterator[OwnHead]:
        """What `peer` holds of this node's own writer. Where heads were compared before, what is not named is equal."""
        writer, span = self._ledger.writer, theirs.span
        named = [head for head in theirs.heads if head.writer == writer]
        if named or (theirs.reply and span.covers(writer)):
            newest = max(named, key=lambda head: head.number, default=None)
            yield OwnHead(peer, newest if newest is not None and newest.number else None)
        elif not span.after and not span.until:
            line = self._ledger.durable.lines.get(writer)
            yield OwnHead(peer, line.have if line is not None else None)

    def _anchors(self, reader: Reader, to: tuple[NodeId, Address], theirs: Heads, now: float) -> Iterator[Stream]:
        """Of writers of which the peer holds another branch, our way to our heads; told once for each set of them
        in a session."""
        durable, found = self._ledger.durable, list[Head]()
        for writer in Compared(reader, durable, theirs.heads).forked():
            tips = tuple(line.have for line in durable.family(writer))
            if self._anchored.get((to[0], writer)) != (theirs.session, tips):
                self._anchored[to[0], writer] = (theirs.session, tips)
                found += [*tips, *anchors(reader, durable, writer)]
        if found:
            yield from self._name(tuple(sorted(found)), to, Heads((), False, EVERYTHING, theirs.session), now)


def pages(heads: tuple[Head, ...], span: Span) -> Iterator[tuple[Span, tuple[Head, ...]]]:
    """Heads in order of their writers, cut where a page is full; all heads of a writer stand on one page."""
    after, rest = span.after, heads
    while len(rest) > HEADS_MAX:
        cut = next(n for n in range(HEADS_MAX - 1, 0, -1) if rest[n].writer != rest[n + 1].writer)
        until = rest[cut].writer
        yield Span(span.of, span.buckets, after, until), rest[: cut + 1]
        after, rest = until, rest[cut + 1 :]
    yield Span(span.of, span.buckets, after, span.until), rest
